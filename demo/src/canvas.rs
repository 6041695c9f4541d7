//! The relief a map is built from: every pixel has a surface colour and a
//! height, so that light and shadow can be computed instead of painted.

use crate::noise::smooth;
use crate::shapes::Point;

/// Width of both maps in pixels.
pub const WIDTH: usize = 3840;
/// Height of both maps in pixels.
pub const HEIGHT: usize = 2160;
/// Side of one grid cell in pixels.
pub const CELL: f32 = 120.0;

/// Linear-light red, green and blue.
pub type Rgb = [f32; 3];

/// Turns a familiar `0xRRGGBB` colour into linear light.
pub fn rgb(hex: u32) -> Rgb {
    [16, 8, 0].map(|shift| (((hex >> shift) & 255) as f32 / 255.0).powf(2.2))
}

/// Blends two colours.
pub fn mix(a: Rgb, b: Rgb, t: f32) -> Rgb {
    let t = t.clamp(0.0, 1.0);
    [0, 1, 2].map(|i| a[i] + (b[i] - a[i]) * t)
}

/// Makes a colour darker (below one) or brighter (above one).
pub fn shade(a: Rgb, factor: f32) -> Rgb {
    a.map(|v| v * factor)
}

/// What one pixel of a drawn thing is made of.
#[derive(Clone, Copy, Debug)]
pub struct Ink {
    /// Opacity, 0 to 1.
    pub cover: f32,
    /// Surface colour.
    pub color: Rgb,
    /// Height above the ground in pixels.
    pub height: f32,
    /// How much the surface mirrors light, 0 to 1.
    pub gloss: f32,
}

impl Ink {
    /// A dull, opaque surface.
    pub fn solid(color: Rgb, height: f32) -> Self {
        Self {
            cover: 1.0,
            color,
            height,
            gloss: 0.0,
        }
    }

    /// The same surface, showing only where `distance` is negative, with a
    /// soft edge of about a pixel.
    pub fn inside(mut self, distance: f32) -> Option<Self> {
        self.cover *= smooth(0.8, -0.8, distance);
        (self.cover > 0.0).then_some(self)
    }

    /// The same surface, see-through to the given degree.
    pub fn veiled(mut self, cover: f32) -> Self {
        self.cover *= cover.clamp(0.0, 1.0);
        self
    }

    /// The same surface, but polished.
    pub fn glossy(mut self, gloss: f32) -> Self {
        self.gloss = gloss;
        self
    }
}

/// A picture in the making.
#[derive(Debug)]
pub struct Canvas {
    /// Surface colours, row by row.
    pub color: Vec<Rgb>,
    /// Heights in pixels, row by row.
    pub height: Vec<f32>,
    /// Polish, row by row.
    pub gloss: Vec<f32>,
    /// Light given off by the surface itself, row by row.
    pub glow: Vec<Rgb>,
}

/// Runs `f(row_number, row)` over all rows of a buffer on all cores.
pub fn for_rows<T: Send>(buffer: &mut [T], f: impl Fn(usize, &mut [T]) + Sync) {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    // Small bands keep the cores evenly busy when one part is costlier.
    let rows = HEIGHT / 24;
    let bands = std::sync::Mutex::new(buffer.chunks_mut(rows * WIDTH).enumerate());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let next = bands.lock().map_or(None, |mut list| list.next());
                    let Some((band, pixels)) = next else { break };
                    for (i, row) in pixels.chunks_mut(WIDTH).enumerate() {
                        f(band * rows + i, row);
                    }
                }
            });
        }
    });
}

impl Canvas {
    /// Fills the whole picture from a description of its ground.
    pub fn new(ground: impl Fn(f32, f32) -> Ink + Sync) -> Self {
        let blank = Ink::solid([0.0; 3], 0.0);
        let mut inks = vec![blank; WIDTH * HEIGHT];
        for_rows(&mut inks, |y, row| {
            for (x, ink) in row.iter_mut().enumerate() {
                *ink = ground(x as f32 + 0.5, y as f32 + 0.5);
            }
        });
        Self {
            color: inks.iter().map(|ink| ink.color).collect(),
            height: inks.iter().map(|ink| ink.height).collect(),
            gloss: inks.iter().map(|ink| ink.gloss).collect(),
            glow: vec![[0.0; 3]; WIDTH * HEIGHT],
        }
    }

    /// Draws one thing: `f(point, ground_height)` is asked for every pixel
    /// within `reach` of `centre`.
    pub fn stamp(&mut self, centre: Point, reach: f32, f: impl Fn(Point, f32) -> Option<Ink>) {
        self.visit(centre, reach, |canvas, i, p| {
            if let Some(ink) = f(p, canvas.height[i]) {
                let c = ink.cover;
                canvas.color[i] = mix(canvas.color[i], ink.color, c);
                canvas.height[i] += (ink.height - canvas.height[i]) * c;
                canvas.gloss[i] += (ink.gloss - canvas.gloss[i]) * c;
            }
        });
    }

    /// Adds light given off by a surface.
    pub fn shine(&mut self, centre: Point, reach: f32, f: impl Fn(Point) -> Rgb) {
        self.visit(centre, reach, |canvas, i, p| {
            let light = f(p);
            for (sum, add) in canvas.glow[i].iter_mut().zip(light) {
                *sum += add;
            }
        });
    }

    fn visit(&mut self, centre: Point, reach: f32, f: impl Fn(&mut Self, usize, Point)) {
        let clip = |v: f32, end: usize| v.clamp(0.0, end as f32) as usize;
        let columns = clip(centre.0 - reach, WIDTH)..clip(centre.0 + reach + 1.0, WIDTH);
        for y in clip(centre.1 - reach, HEIGHT)..clip(centre.1 + reach + 1.0, HEIGHT) {
            for x in columns.clone() {
                f(self, y * WIDTH + x, (x as f32 + 0.5, y as f32 + 0.5));
            }
        }
    }

    /// The height at a point, the rim of the picture continuing outwards.
    pub fn height_at(&self, p: Point) -> f32 {
        let x = p.0.clamp(0.0, WIDTH as f32 - 1.0) as usize;
        let y = p.1.clamp(0.0, HEIGHT as f32 - 1.0) as usize;
        self.height[y * WIDTH + x]
    }
}

/// Averages a height field over a square window, in two sweeps.
pub fn blurred(field: &[f32], radius: usize) -> Vec<f32> {
    let across = sweep(field, WIDTH, HEIGHT, radius);
    let turned = transposed(&across, WIDTH, HEIGHT);
    transposed(&sweep(&turned, HEIGHT, WIDTH, radius), HEIGHT, WIDTH)
}

fn transposed(field: &[f32], width: usize, height: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(field.len());
    for x in 0..width {
        out.extend((0..height).map(|y| field[y * width + x]));
    }
    out
}

fn sweep(field: &[f32], width: usize, height: usize, radius: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(field.len());
    let span = (2 * radius + 1) as f32;
    for row in field.chunks(width).take(height) {
        let at = |i: isize| row[i.clamp(0, width as isize - 1) as usize];
        let r = radius as isize;
        let mut sum: f32 = (-r..=r).map(at).sum();
        for x in 0..width as isize {
            out.push(sum / span);
            sum += at(x + r + 1) - at(x - r);
        }
    }
    out
}

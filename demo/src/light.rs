//! Turns a finished relief into a picture: sunlight or lamps, the shadows
//! they cast, the darkening of hollows and the final tones.

use crate::canvas::{Canvas, HEIGHT, Rgb, WIDTH, blurred, for_rows};
use crate::noise::{hash_unit, smooth};
use crate::shapes::Point;

/// A parallel light such as the sun.
#[derive(Clone, Copy, Debug)]
pub struct Sun {
    /// Direction towards the light; the third part points up.
    pub towards: [f32; 3],
    /// Brightness and tint.
    pub color: Rgb,
    /// How far, in pixels, shadows are followed.
    pub reach: f32,
    /// Softness of the shadow's edge (larger is softer).
    pub softness: f32,
}

/// A flame or a spell: light spreading from one point.
#[derive(Clone, Copy, Debug)]
pub struct Lamp {
    /// Where it stands.
    pub at: Point,
    /// Its height above the floor in pixels.
    pub height: f32,
    /// How far it reaches in pixels.
    pub reach: f32,
    /// Brightness and tint.
    pub color: Rgb,
}

/// Everything that lights a map.
#[derive(Clone, Debug)]
pub struct Lighting {
    /// Light from everywhere.
    pub ambient: Rgb,
    /// The parallel light.
    pub sun: Sun,
    /// The lamps.
    pub lamps: Vec<Lamp>,
    /// How strongly hollows are darkened.
    pub hollow: f32,
    /// How strongly slopes catch the light.
    pub relief: f32,
    /// How vivid colours stay; one leaves them alone.
    pub vivid: f32,
    /// How dark the picture's corners become, 0 to 1.
    pub vignette: f32,
}

/// Lights the relief and returns finished 8-bit RGB pixels.
pub fn render(canvas: &Canvas, lighting: &Lighting) -> Vec<u8> {
    let near = blurred(&canvas.height, 7);
    let wide = blurred(&blurred(&canvas.height, 24), 24);
    let mut picture = vec![[0.0_f32; 3]; WIDTH * HEIGHT];
    for_rows(&mut picture, |y, row| {
        for (x, pixel) in row.iter_mut().enumerate() {
            let i = y * WIDTH + x;
            let p = (x as f32 + 0.5, y as f32 + 0.5);
            let normal = normal(canvas, x, y, lighting.relief);
            let h = canvas.height[i];
            let hollow = (near[i] - h).max(0.0) * 0.045 + (wide[i] - h).max(0.0) * 0.016;
            let open = 1.0 / (1.0 + hollow * lighting.hollow);
            let light = gather(canvas, lighting, p, normal, i, open);
            let edge = vignette(p, lighting.vignette);
            let lit = [0, 1, 2]
                .map(|c| (canvas.color[i][c] * light.0[c] + light.1[c]) * edge + canvas.glow[i][c]);
            *pixel = toned(lit, lighting.vivid);
        }
    });
    to_bytes(&picture)
}

/// Diffuse and mirrored light reaching one pixel.
fn gather(
    canvas: &Canvas,
    lighting: &Lighting,
    p: Point,
    normal: [f32; 3],
    i: usize,
    open: f32,
) -> (Rgb, Rgb) {
    let sky = 0.65 + 0.35 * normal[2];
    let mut diffuse = lighting.ambient.map(|a| a * open * sky);
    let mut mirrored = [0.0; 3];
    let gloss = canvas.gloss[i];
    let mut add = |towards: [f32; 3], color: Rgb, strength: f32| {
        let facing = dot(normal, towards).max(0.0) * strength;
        let halfway = unit([towards[0], towards[1], towards[2] + 1.0]);
        let spark = dot(normal, halfway).max(0.0).powi(60) * gloss * strength;
        for c in 0..3 {
            diffuse[c] += color[c] * facing;
            mirrored[c] += color[c] * spark * 0.6;
        }
    };
    let seen = sunlit(canvas, &lighting.sun, p, canvas.height[i]);
    add(lighting.sun.towards, lighting.sun.color, seen * open.sqrt());
    for lamp in &lighting.lamps {
        let (dx, dy) = (lamp.at.0 - p.0, lamp.at.1 - p.1);
        let distance = dx.hypot(dy);
        if distance >= lamp.reach {
            continue;
        }
        let fade = 1.0 - (distance / lamp.reach).powi(2);
        let near = lamp.reach * 0.16;
        let strength = fade * fade / (1.0 + (distance / near).powi(2)) * 2.0;
        let seen = lamplit(canvas, lamp, p, canvas.height[i]);
        let towards = unit([dx, dy, lamp.height + distance * 0.35]);
        add(towards, lamp.color, strength * seen * open.sqrt());
    }
    (diffuse, mirrored)
}

fn normal(canvas: &Canvas, x: usize, y: usize, relief: f32) -> [f32; 3] {
    let (left, right) = (x.saturating_sub(1), (x + 1).min(WIDTH - 1));
    let (up, down) = (y.saturating_sub(1), (y + 1).min(HEIGHT - 1));
    let h = &canvas.height;
    let dx = (h[y * WIDTH + left] - h[y * WIDTH + right]) * 0.5;
    let dy = (h[up * WIDTH + x] - h[down * WIDTH + x]) * 0.5;
    // Sheer drops would otherwise burn out as hard white or black lines.
    let limit = |v: f32| (v * relief).clamp(-2.2, 2.2);
    unit([limit(dx), limit(dy), 1.0])
}

/// How much of the sun a point sees, following the ray through the relief.
fn sunlit(canvas: &Canvas, sun: &Sun, p: Point, ground: f32) -> f32 {
    let flat = sun.towards[0].hypot(sun.towards[1]).max(1e-4);
    let (ux, uy) = (sun.towards[0] / flat, sun.towards[1] / flat);
    let climb = sun.towards[2] / flat;
    // A jittered start hides the stepping that would show as rings.
    let mut t = 1.5 + 2.0 * hash_unit(p.0 as i32, p.1 as i32, 5);
    let mut seen: f32 = 1.0;
    while t < sun.reach {
        let above = canvas.height_at((p.0 + ux * t, p.1 + uy * t)) - (ground + climb * t);
        let blocked = smooth(-1.0, 1.5 + t * sun.softness, above);
        seen = seen.min(1.0 - blocked);
        if seen < 0.01 {
            return 0.0;
        }
        t += 2.0 + t * 0.045;
    }
    seen
}

/// How much of a lamp a point sees. Light soaks a little way into whatever
/// blocks it, so that the wall around a lit room shows its stones.
fn lamplit(canvas: &Canvas, lamp: &Lamp, p: Point, ground: f32) -> f32 {
    let (dx, dy) = (p.0 - lamp.at.0, p.1 - lamp.at.1);
    let distance = dx.hypot(dy);
    let step = 4.0 + distance * 0.004;
    let jitter = 0.6 + 0.4 * hash_unit(p.0 as i32, p.1 as i32, 8);
    let mut t = 14.0 + step * jitter;
    let mut thickness = 0.0;
    while t < distance - 3.0 {
        let share = t / distance;
        let ray = lamp.height + (ground.min(30.0) - lamp.height) * share;
        let above = canvas.height_at((lamp.at.0 + dx * share, lamp.at.1 + dy * share)) - ray;
        thickness += smooth(0.5, 12.0, above) * step;
        if thickness > 90.0 {
            return 0.0;
        }
        t += step;
    }
    (-thickness / 17.0).exp()
}

fn vignette(p: Point, strength: f32) -> f32 {
    let x = p.0 / WIDTH as f32 * 2.0 - 1.0;
    let y = p.1 / HEIGHT as f32 * 2.0 - 1.0;
    1.0 - strength * smooth(0.55, 1.5, (x * x + y * y).sqrt())
}

fn toned(lit: Rgb, vivid: f32) -> Rgb {
    let shown = lit.map(tone);
    let grey = 0.2126 * shown[0] + 0.7152 * shown[1] + 0.0722 * shown[2];
    shown.map(|v| (grey + (v - grey) * vivid).clamp(0.0, 1.0))
}

/// Compresses bright light gently instead of cutting it off.
fn tone(v: f32) -> f32 {
    let v = v.max(0.0);
    ((v * (2.51 * v + 0.03)) / (v * (2.43 * v + 0.59) + 0.14)).clamp(0.0, 1.0)
}

fn to_bytes(picture: &[Rgb]) -> Vec<u8> {
    let table: Vec<u8> = (0..=4096)
        .map(|i| ((i as f32 / 4096.0).powf(1.0 / 2.2) * 255.0 + 0.5) as u8)
        .collect();
    picture
        .iter()
        .flatten()
        .map(|v| table[(v * 4096.0) as usize])
        .collect()
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Scales a vector to length one.
pub fn unit(a: [f32; 3]) -> [f32; 3] {
    let length = dot(a, a).sqrt().max(1e-6);
    a.map(|v| v / length)
}

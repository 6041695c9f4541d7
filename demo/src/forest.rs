//! The forest road by daylight: a rutted track, a stream under a plank
//! bridge, a camp in a clearing and the wood around it.

use crate::canvas::{CELL, Canvas, HEIGHT, Ink, Rgb, WIDTH, mix, rgb, shade};
use crate::light::{Lighting, Sun, unit};
use crate::noise::{Rng, fractal, gradient, smooth, stones, unit_of};
use crate::plants;
use crate::props;
use crate::shapes::{Point, along, bar, circle, curve, local, placed, slab};

/// Distances to a winding line, sampled coarsely because they vary slowly.
struct Course {
    columns: usize,
    /// Signed distance (left and right of the line) and way along it.
    samples: Vec<(f32, f32)>,
}

const COARSE: f32 = 8.0;

impl Course {
    fn new(through: &[Point]) -> Self {
        let line = curve(through, 10);
        let columns = WIDTH / COARSE as usize + 2;
        let rows = HEIGHT / COARSE as usize + 2;
        let samples = (0..columns * rows)
            .map(|i| {
                let p = ((i % columns) as f32 * COARSE, (i / columns) as f32 * COARSE);
                nearest(&line, p)
            })
            .collect();
        Self { columns, samples }
    }

    /// Signed distance from the line and the way travelled along it.
    fn at(&self, p: Point) -> (f32, f32) {
        let x = (p.0 / COARSE).clamp(0.0, WIDTH as f32 / COARSE);
        let y = (p.1 / COARSE).clamp(0.0, HEIGHT as f32 / COARSE);
        let (ix, iy) = (x as usize, y as usize);
        let (u, v) = (x - ix as f32, y - iy as f32);
        let cell = |dx: usize, dy: usize| self.samples[(iy + dy) * self.columns + ix + dx];
        let blend = |part: fn((f32, f32)) -> f32| {
            let top = part(cell(0, 0)) * (1.0 - u) + part(cell(1, 0)) * u;
            let bottom = part(cell(0, 1)) * (1.0 - u) + part(cell(1, 1)) * u;
            top * (1.0 - v) + bottom * v
        };
        (blend(|s| s.0), blend(|s| s.1))
    }

    fn distance(&self, p: Point) -> f32 {
        self.at(p).0.abs()
    }
}

fn nearest(line: &[Point], p: Point) -> (f32, f32) {
    let (mut best, mut side, mut way, mut travelled) = (f32::MAX, 1.0, 0.0, 0.0);
    for pair in line.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let (t, d) = along(p, a, b);
        let length = (b.0 - a.0).hypot(b.1 - a.1);
        if d < best {
            best = d;
            way = travelled + t * length;
            side = ((b.0 - a.0) * (p.1 - a.1) - (b.1 - a.1) * (p.0 - a.0)).signum();
        }
        travelled += length;
    }
    (best * side, way)
}

fn cells(x: f32, y: f32) -> Point {
    (x * CELL, y * CELL)
}

const CAMP: Point = (8.2 * CELL, 14.8 * CELL);
const GLADE: Point = (24.6 * CELL, 11.6 * CELL);
const BRIDGE: Point = (20.0 * CELL, 8.6 * CELL);
const BRIDGE_TURN: f32 = -0.16;

/// The lie of the land: where the road, the stream and the camp are.
struct Land {
    road: Course,
    stream: Course,
}

impl Land {
    fn new() -> Self {
        let road: Vec<Point> = [
            (-2.0, 8.2),
            (2.0, 8.6),
            (6.0, 10.2),
            (10.0, 10.9),
            (14.0, 9.9),
            (17.5, 9.0),
            (20.0, 8.6),
            (22.5, 8.2),
            (26.0, 6.6),
            (29.0, 5.9),
            (34.0, 6.8),
        ]
        .map(|(x, y)| cells(x, y))
        .to_vec();
        let stream: Vec<Point> = [
            (22.6, -2.0),
            (22.0, 1.0),
            (20.4, 3.4),
            (20.9, 5.8),
            (20.0, 8.6),
            (18.6, 11.2),
            (19.6, 13.6),
            (18.3, 16.2),
            (18.8, 20.0),
        ]
        .map(|(x, y)| cells(x, y))
        .to_vec();
        Self {
            road: Course::new(&road),
            stream: Course::new(&stream),
        }
    }

    /// Distance from the road's ragged edge; negative on the road.
    fn road_edge(&self, p: Point) -> f32 {
        self.road.distance(p) - 104.0 - fractal(p.0, p.1, 210.0, 5, 2) * 46.0
    }

    /// Distance from the waterline; negative in the water.
    fn shore(&self, p: Point) -> f32 {
        let reach = 112.0 + 26.0 * gradient(p.0 / 300.0, p.1 / 300.0, 4);
        self.stream.distance(p) - reach - fractal(p.0, p.1, 120.0, 4, 3) * 26.0
    }

    /// Distance from the trodden ground around the fire.
    fn camp_edge(&self, p: Point) -> f32 {
        circle(p, CAMP, 1.75 * CELL) + fractal(p.0, p.1, 240.0, 5, 5) * 120.0
    }

    /// How far a point is from everything that must stay free of trees.
    fn open_ground(&self, p: Point) -> f32 {
        let camp = circle(p, cells(8.1, 14.3), 3.75 * CELL).min(circle(p, GLADE, 2.1 * CELL));
        (self.road.distance(p) - 130.0)
            .min(self.stream.distance(p) - 150.0)
            .min(camp)
    }
}

fn meadow(p: Point) -> Ink {
    let broad = fractal(p.0, p.1, 900.0, 5, 11);
    let patch = fractal(p.0, p.1, 230.0, 5, 12);
    let fine = fractal(p.0, p.1, 26.0, 3, 13);
    let lush = mix(rgb(0x45632a), rgb(0x627c33), 0.5 + 0.7 * patch);
    let dry = mix(rgb(0x7d833c), rgb(0x8a8547), 0.5 + patch);
    let color = mix(lush, dry, smooth(-0.15, 0.75, broad + 0.35 * patch));
    Ink::solid(shade(color, 0.92 + 0.2 * fine), patch * 3.0 + fine * 1.6)
}

fn dirt(land: &Land, p: Point) -> Ink {
    let (side, way) = land.road.at(p);
    let rough = fractal(p.0, p.1, 60.0, 5, 21);
    let broad = fractal(p.0, p.1, 330.0, 4, 22);
    let sway = 9.0 * gradient(way / 260.0, 0.3, 23);
    let rut = |offset: f32| {
        let d = (side + sway - offset).abs() + rough * 7.0;
        smooth(27.0, 5.0, d)
    };
    let ruts = rut(-43.0).max(rut(41.0)) * smooth(-0.75, 0.1, broad);
    let tread = gradient(side / 5.0, way / 26.0, 24) * ruts;
    let base = mix(rgb(0x7c6343), rgb(0x957c57), 0.5 + 0.7 * broad);
    let color = shade(base, 1.02 + 0.26 * rough - 0.40 * ruts + 0.08 * tread);
    let grit = stones(p.0, p.1, 15.0, 25);
    let pebble = if unit_of(grit.id, 1) > 0.93 {
        smooth(0.04, 0.2, grit.joint)
    } else {
        0.0
    };
    let color = mix(
        color,
        shade(rgb(0x938772), 0.6 + 0.5 * unit_of(grit.id, 2)),
        pebble * 0.7,
    );
    Ink::solid(
        color,
        -3.0 + rough * 2.6 - 6.5 * ruts + tread * 0.8 + pebble * 2.5,
    )
}

fn water(land: &Land, p: Point, shore: f32, bank: Ink) -> Ink {
    let (side, way) = land.stream.at(p);
    let depth = smooth(0.0, 100.0, -shore);
    let flow = fractal(
        way / 3.4 + 18.0 * gradient(side / 70.0, way / 200.0, 31),
        side,
        42.0,
        4,
        32,
    );
    let streak = smooth(0.28, 0.75, flow);
    let bed = stones(p.0 + flow * 4.0, p.1 - flow * 4.0, 15.0, 34);
    let pebbles = mix(rgb(0x6f6a52), rgb(0x8d866b), unit_of(bed.id, 1));
    let bottom = shade(pebbles, 0.76 + 0.24 * smooth(0.0, 0.2, bed.joint));
    let tint = mix(rgb(0x4a786e), rgb(0x1d4750), depth);
    let color = mix(bottom, tint, 0.42 + 0.5 * depth);
    let color = mix(color, rgb(0xb5d2cc), streak * 0.22);
    let foam = smooth(9.0, 2.0, (shore + 7.0 + 5.0 * flow).abs())
        * 0.34
        * smooth(-0.2, 0.4, gradient(p.0 / 55.0, p.1 / 55.0, 35));
    let surface = Ink {
        cover: 1.0,
        color: mix(color, rgb(0xdceae2), foam),
        height: -30.0 + flow * 2.4,
        gloss: 0.5,
    };
    blend(bank, surface, smooth(2.0, -5.0, shore))
}

fn blend(a: Ink, b: Ink, t: f32) -> Ink {
    Ink {
        cover: 1.0,
        color: mix(a.color, b.color, t),
        height: a.height + (b.height - a.height) * t,
        gloss: a.gloss + (b.gloss - a.gloss) * t,
    }
}

fn ground(land: &Land, p: Point) -> Ink {
    let mut ink = meadow(p);
    let tufts = fractal(p.0, p.1, 34.0, 3, 41) * 16.0;
    let (side, _) = land.road.at(p);
    // Grass survives between the wheels.
    let crest =
        smooth(22.0, 6.0, side.abs() + tufts) * smooth(-0.1, 0.35, fractal(p.0, p.1, 300.0, 4, 42));
    let on_road = smooth(16.0, -26.0, land.road_edge(p) + tufts) * (1.0 - 0.75 * crest);
    let trodden = smooth(30.0, -90.0, land.camp_edge(p) + tufts) * 0.9;
    if on_road.max(trodden) > 0.0 {
        ink = blend(ink, dirt(land, p), on_road.max(trodden));
    }
    let shore = land.shore(p);
    if shore < 90.0 {
        let sand = stones(p.0, p.1, 13.0, 43);
        let grit = fractal(p.0, p.1, 40.0, 4, 44);
        let tone = (0.85 + 0.3 * unit_of(sand.id, 1))
            * (1.0 + 0.2 * grit)
            * (0.6 + 0.4 * smooth(-10.0, 40.0, shore));
        let mud = Ink::solid(
            shade(rgb(0x7c6a49), tone),
            -24.0 * smooth(60.0, -4.0, shore) + grit * 2.0,
        );
        ink = blend(ink, mud, smooth(56.0, 22.0, shore + tufts * 1.4));
    }
    if shore < 4.0 {
        ink = water(land, p, shore, ink);
    }
    ink
}

/// Planks across the stream on two beams, with posts at the ends.
fn bridge(canvas: &mut Canvas) {
    let half = (232.0, 96.0);
    canvas.stamp(BRIDGE, 300.0, |p, _| {
        let q = local(p, BRIDGE, BRIDGE_TURN);
        let plank = (q.0 / 27.0).floor();
        let id = (plank as i32 + 4000) as u32;
        let within = q.0 / 27.0 - plank;
        let overhang = (unit_of(id, 1) - 0.5) * 20.0;
        let tilt = (unit_of(id, 2) - 0.5) * 0.05 * q.1 / 27.0;
        let gap = (within + tilt).min(1.0 - within - tilt) * 27.0 - 1.3;
        let d = (q.0.abs() - half.0)
            .max((q.1 + overhang).abs() - half.1)
            .max(-gap);
        let grain = gradient(q.0 / 2.4, q.1 / 46.0, id);
        let knots = fractal(q.0 * 2.0, q.1, 60.0, 3, id);
        let wood = mix(rgb(0x8a6c48), rgb(0x9c8666), unit_of(id, 3));
        let nail = circle((within * 27.0 - 13.5, q.1.abs() - 76.0), (0.0, 0.0), 2.4);
        let dark = 1.0 - 0.7 * smooth(0.6, -0.6, nail);
        let worn = 1.0 + 0.14 * smooth(70.0, 20.0, q.1.abs());
        let color = shade(
            wood,
            (0.75 + 0.4 * unit_of(id, 4)) * (1.0 + 0.18 * grain + 0.14 * knots) * dark * worn,
        );
        let round = smooth(0.0, 4.0, gap);
        Ink::solid(
            color,
            9.0 + 3.0 * unit_of(id, 5) + round * 3.0 + grain * 0.6,
        )
        .inside(d)
    });
    for side in [-1.0, 1.0] {
        let ends =
            [-1.0, 1.0].map(|e| placed((e * (half.0 + 14.0), side * 92.0), BRIDGE, BRIDGE_TURN));
        canvas.stamp(BRIDGE, 320.0, |p, _| {
            let q = local(p, BRIDGE, BRIDGE_TURN);
            let d = bar(p, ends[0], ends[1], 9.0) + gradient(q.0 / 60.0, 0.0, 52) * 2.0;
            let grain = gradient(q.0 / 50.0, q.1 / 2.5, 53);
            let round = (1.0 - (d.min(0.0) / 9.0 + 1.0).powi(2)).max(0.0).sqrt();
            Ink::solid(
                shade(rgb(0x765a3a), 1.0 + 0.22 * grain),
                27.0 + 10.0 * round,
            )
            .inside(d)
        });
        for share in [0.03, 0.35, 0.66, 0.97] {
            let post = (
                ends[0].0 + (ends[1].0 - ends[0].0) * share,
                ends[0].1 + (ends[1].1 - ends[0].1) * share,
            );
            canvas.stamp(post, 24.0, |p, _| {
                let d = slab(local(p, post, BRIDGE_TURN), (0.0, 0.0), (13.0, 13.0), 4.0);
                let ring = (circle(p, post, 0.0) * 1.3).sin() * 0.1;
                Ink::solid(shade(rgb(0x90734c), 1.0 + ring), 52.0 - (d + 5.0).max(0.0)).inside(d)
            });
        }
    }
}

/// A ridge tent of canvas: two slopes, a sagging ridge, seams and pegs.
fn tent(canvas: &mut Canvas, at: Point, angle: f32, tint: Rgb, seed: u32) {
    let half = (150.0, 104.0);
    let pegs = [-1.0, -0.34, 0.34, 1.0];
    for (x, side) in pegs.iter().flat_map(|x| [(x, -1.0), (x, 1.0)]) {
        let foot = placed((x * half.0, side * (half.1 + 26.0)), at, angle);
        let eave = placed((x * half.0, side * half.1 * 0.9), at, angle);
        canvas.stamp(foot, 50.0, |p, ground| {
            let d = bar(p, foot, eave, 1.6).min(circle(p, foot, 4.5));
            Ink::solid(rgb(0xb9a67c), ground + 7.0).inside(d)
        });
    }
    canvas.stamp(at, 210.0, |p, _| {
        let q = local(p, at, angle);
        let t = q.0 / half.0;
        // Cloth hangs in bows between the pegs.
        let bow = 9.0 * (1.0 - (t * 1.5 * std::f32::consts::PI).cos().abs());
        let d = (q.0.abs() - half.0 + 10.0 * (q.1 / half.1).abs()).max(q.1.abs() - half.1 + bow);
        let slope = 1.0 - (q.1 / half.1).abs();
        let sag = 9.0 * (1.0 - t * t);
        let folds = gradient(q.0 / 34.0, q.1.abs() / 260.0, seed) * (1.0 - slope) * 9.0;
        let wrinkles = fractal(p.0, p.1, 50.0, 4, seed ^ 1) * 2.4;
        let seam = smooth(
            2.2,
            1.0,
            ((q.0 / 100.0 + 0.5).fract().abs() - 0.5).abs() * 100.0 - 46.5,
        );
        let ridge = smooth(5.0, 2.5, q.1.abs());
        let stain = fractal(p.0, p.1, 110.0, 4, seed ^ 2);
        let color = shade(
            tint,
            (1.0 + 0.16 * stain) * (1.0 - 0.10 * seam.min(1.0)) * (1.0 - 0.18 * ridge),
        );
        Ink::solid(color, 16.0 + slope * 92.0 - sag + folds + wrinkles).inside(d)
    });
    // The dark opening at one end and the pole that holds it.
    let mouth = placed((-half.0 + 6.0, 0.0), at, angle);
    canvas.stamp(mouth, 80.0, |p, ground| {
        let q = local(p, mouth, angle);
        let d = (q.1.abs() * 1.15 + (q.0 - 0.0) * 1.0 - 34.0).max(-q.0 - 6.0);
        Ink::solid(rgb(0x2a2218), ground * 0.5)
            .veiled(0.88)
            .inside(d)
    });
}

fn fire_ring(canvas: &mut Canvas, rng: &mut Rng) {
    canvas.stamp(CAMP, 130.0, |p, ground| {
        let d = circle(p, CAMP, 62.0) + fractal(p.0, p.1, 50.0, 4, 61) * 34.0;
        let ash = fractal(p.0, p.1, 24.0, 4, 62);
        let tone = mix(rgb(0x2c2723), rgb(0x6d6862), 0.4 + ash);
        Some(Ink::solid(tone, ground).veiled(smooth(34.0, -30.0, d)))
    });
    for k in 0..13 {
        let turn = k as f32 / 13.0 * std::f32::consts::TAU + rng.bell() * 0.1;
        let p = placed((58.0 + rng.bell() * 4.0, 0.0), CAMP, turn);
        props::rock(
            canvas,
            p,
            rng.range(13.0, 18.0),
            15.0,
            rgb(0x837c72),
            rng.bits() as u32,
        );
    }
    for k in 0..6 {
        let turn = k as f32 * 1.047 + 0.3 + rng.bell() * 0.2;
        let (a, b) = (
            placed((7.0, 0.0), CAMP, turn),
            placed((42.0, 0.0), CAMP, turn),
        );
        canvas.stamp(CAMP, 60.0, |p, _| {
            let d = bar(p, a, b, 6.5);
            let (t, _) = along(p, a, b);
            let bark = gradient(p.0 / 6.0, p.1 / 6.0, 63 + k);
            let color = mix(rgb(0x1c1714), rgb(0x5d432b), t);
            Ink::solid(shade(color, 1.0 + 0.3 * bark), 10.0 - d.max(-6.0)).inside(d)
        });
    }
    props::flame(canvas, CAMP, 24.0, 64);
    props::flame(canvas, (CAMP.0 + 8.0, CAMP.1 - 9.0), 15.0, 65);
}

/// A trunk lying on the ground, with bark, a sawn end and moss.
fn log(canvas: &mut Canvas, a: Point, b: Point, radius: f32, seed: u32) {
    let middle = ((a.0 + b.0) / 2.0, (a.1 + b.1) / 2.0);
    let length = (b.0 - a.0).hypot(b.1 - a.1);
    let angle = (b.1 - a.1).atan2(b.0 - a.0);
    canvas.stamp(middle, length / 2.0 + radius * 2.0, |p, _| {
        let q = local(p, a, angle);
        let knobs = gradient(q.0 / 60.0, q.1 / 40.0, seed) * radius * 0.16;
        let wide = radius * (1.0 - 0.18 * q.0 / length) + knobs;
        let ragged = gradient(q.1 / 6.0, 0.0, seed ^ 4) * 8.0 * smooth(length * 0.5, length, q.0);
        let d = (q.1.abs() - wide).max(-q.0).max(q.0 - length - ragged);
        let round = (1.0 - (q.1 / wide).powi(2)).max(0.0).sqrt();
        let bark = fractal(q.0 / 3.6, q.1, 15.0, 4, seed ^ 1);
        let cut = smooth(12.0, 9.0, q.0);
        let rings = ((q.1.hypot(q.0 * 3.0)) * 0.9).sin() * 0.12;
        let moss = smooth(0.05, 0.5, fractal(p.0, p.1, 90.0, 4, seed ^ 2)) * (1.0 - cut);
        let wood = mix(
            shade(rgb(0x6a5139), 1.0 + 0.5 * bark),
            shade(rgb(0xc09c68), 1.0 + rings),
            cut,
        );
        let color = mix(wood, shade(rgb(0x5d742c), 1.0 + 0.3 * bark), moss * 0.75);
        let height = 4.0 + round * radius * 1.5 * (1.0 - 0.5 * cut) + bark * 3.5 * (1.0 - cut);
        Ink::solid(color, height).inside(d)
    });
}

fn camp(canvas: &mut Canvas, rng: &mut Rng) {
    fire_ring(canvas, rng);
    log(canvas, cells(7.2, 16.3), cells(9.0, 16.45), 21.0, 71);
    log(canvas, cells(10.1, 14.7), cells(10.0, 16.0), 19.0, 72);
    tent(canvas, cells(5.75, 14.0), -2.82, rgb(0xc9b68a), 73);
    tent(canvas, cells(9.5, 13.05), -0.93, rgb(0x8f6a4a), 74);
    props::crate_box(canvas, cells(11.0, 13.6), 0.3, 34.0, 75);
    props::barrel(canvas, cells(11.35, 14.25), 30.0, 76);
    props::crate_box(canvas, cells(6.6, 15.9), -0.25, 26.0, 77);
}

/// Seeded places at least `gap` pixels apart, in a random order of sizes.
fn scatter(rng: &mut Rng, count: usize, gap: f32, fits: impl Fn(Point) -> bool) -> Vec<Point> {
    let mut found: Vec<Point> = Vec::new();
    for _ in 0..count {
        let p = (
            rng.range(-80.0, WIDTH as f32 + 80.0),
            rng.range(-80.0, HEIGHT as f32 + 80.0),
        );
        let free = found.iter().all(|q| (p.0 - q.0).hypot(p.1 - q.1) > gap);
        if free && fits(p) {
            found.push(p);
        }
    }
    found
}

fn undergrowth(canvas: &mut Canvas, land: &Land, rng: &mut Rng) {
    let grassy =
        |p: Point| land.road_edge(p) > 4.0 && land.shore(p) > 34.0 && land.camp_edge(p) > -20.0;
    for _ in 0..230_000 {
        let p = (rng.range(0.0, WIDTH as f32), rng.range(0.0, HEIGHT as f32));
        let fringe = fractal(p.0, p.1, 34.0, 2, 41) * 24.0;
        if grassy((p.0, p.1 + fringe)) {
            plants::blade(canvas, rng, p, 1.0);
        }
    }
    let bank = |p: Point| land.shore(p) > 12.0 && land.shore(p) < 70.0 && land.road_edge(p) > 30.0;
    for p in scatter(rng, 9000, 26.0, bank) {
        match rng.below(5) {
            0..=1 => props::rock(
                canvas,
                p,
                rng.range(7.0, 26.0),
                16.0,
                rgb(0x8a867b),
                rng.bits() as u32,
            ),
            2..=3 => plants::tuft(canvas, rng, p, 1.5),
            _ => {}
        }
    }
    let wet = |p: Point| land.shore(p) < -16.0 && circle(p, BRIDGE, 250.0) > 0.0;
    for p in scatter(rng, 1600, 92.0, wet) {
        let size = 9.0 + 28.0 * rng.unit().powi(2);
        props::rock(canvas, p, size, 22.0, rgb(0x747670), rng.bits() as u32);
    }
    for p in scatter(rng, 5200, 44.0, |p| {
        land.road_edge(p).abs() < 36.0 && land.shore(p) > 40.0
    }) {
        if rng.unit() < 0.45 {
            plants::tuft(canvas, rng, p, 1.2);
        } else if rng.unit() < 0.4 {
            props::rock(
                canvas,
                p,
                rng.range(4.0, 13.0),
                8.0,
                rgb(0x968e80),
                rng.bits() as u32,
            );
        }
    }
    for p in scatter(rng, 1500, 74.0, |p| {
        grassy(p) && fractal(p.0, p.1, 420.0, 4, 81) > -0.05
    }) {
        plants::tuft(canvas, rng, p, 1.4);
    }
    flowers(canvas, rng, &grassy);
}

fn flowers(canvas: &mut Canvas, rng: &mut Rng, grassy: &impl Fn(Point) -> bool) {
    let hues = [0xf2efe2, 0xf0cf4a, 0x9f86d8, 0xd95a5a];
    for p in scatter(rng, 260, 190.0, grassy) {
        let hue = rgb(hues[rng.below(4)]);
        for _ in 0..5 + rng.below(13) {
            let q = (p.0 + rng.bell() * 62.0, p.1 + rng.bell() * 62.0);
            if grassy(q) {
                plants::flower(canvas, rng, q, hue);
            }
        }
    }
}

fn wood(canvas: &mut Canvas, land: &Land, rng: &mut Rng) {
    for p in scatter(rng, 700, 130.0, |p| {
        land.open_ground(p) > 14.0 && fractal(p.0, p.1, 500.0, 3, 91) > -0.1
    }) {
        let size = rng.range(30.0, 62.0);
        plants::bush(canvas, rng, p, size);
    }
    for (x, y, size) in [
        (12.3, 7.6, 62.0),
        (12.9, 7.9, 40.0),
        (25.2, 9.6, 70.0),
        (25.9, 9.9, 44.0),
        (3.1, 11.9, 52.0),
        (15.6, 12.9, 48.0),
        (27.6, 3.9, 55.0),
    ] {
        props::rock(
            canvas,
            cells(x, y),
            size,
            size * 0.75,
            rgb(0x8c887e),
            (size * 17.0) as u32,
        );
    }
    log(canvas, cells(23.3, 11.3), cells(26.4, 12.3), 34.0, 92);
    plants::stump(canvas, cells(22.75, 11.05), 40.0, 93);
    plants::stump(canvas, cells(11.7, 15.2), 34.0, 94);
    let mut trees: Vec<(Point, f32)> = Vec::new();
    for (gap, tries, size) in [(250.0, 900, (170.0, 225.0)), (165.0, 900, (95.0, 140.0))] {
        for p in scatter(rng, tries, gap, |p| fractal(p.0, p.1, 700.0, 2, 95) > -0.42) {
            let radius = rng.range(size.0, size.1);
            let clear = trees
                .iter()
                .all(|(q, r)| (p.0 - q.0).hypot(p.1 - q.1) > (r + radius) * 0.74);
            if clear && land.open_ground(p) > radius * 0.62 {
                trees.push((p, radius));
            }
        }
    }
    // Taller trees last: their crowns hang over the smaller ones.
    trees.sort_by(|a, b| a.1.total_cmp(&b.1));
    for (p, radius) in trees {
        plants::tree(canvas, rng, p, radius);
    }
}

/// Draws the finished forest road as 8-bit RGB pixels.
pub fn draw() -> Vec<u8> {
    let land = Land::new();
    let mut rng = Rng::new(31);
    let mut canvas = Canvas::new(|x, y| ground(&land, (x, y)));
    undergrowth(&mut canvas, &land, &mut rng);
    bridge(&mut canvas);
    camp(&mut canvas, &mut rng);
    wood(&mut canvas, &land, &mut rng);
    let lighting = Lighting {
        ambient: [0.34, 0.39, 0.46],
        sun: Sun {
            towards: unit([-0.62, -0.5, 0.78]),
            color: [1.24, 1.12, 0.88],
            reach: 240.0,
            softness: 0.12,
        },
        lamps: Vec::new(),
        hollow: 0.75,
        relief: 0.55,
        vivid: 0.80,
        vignette: 0.22,
    };
    crate::light::render(&canvas, &lighting)
}

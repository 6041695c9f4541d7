//! Things that lie or stand about: each function draws one object into a
//! relief at a place given in pixels.

use crate::canvas::{Canvas, Ink, Rgb, mix, rgb, shade};
use crate::noise::{Rng, fractal, gradient, smooth, stones, unit_of};
use crate::shapes::{Point, along, bar, circle, local, placed, slab};

/// Iron used for bands, bowls and brackets.
const IRON: u32 = 0x353336;

/// Height a rounded edge adds: rises over `width` pixels from the rim.
fn bevel(distance: f32, width: f32, rise: f32) -> f32 {
    let t = (-distance / width).clamp(0.0, 1.0);
    (t * (2.0 - t)).sqrt() * rise
}

/// Weathers a plain colour with blotches and fine grain.
fn weathered(color: Rgb, p: Point, seed: u32) -> Rgb {
    let blotch = fractal(p.0, p.1, 70.0, 4, seed);
    let grain = gradient(p.0 / 2.6, p.1 / 2.6, seed ^ 9);
    shade(color, 1.0 + 0.22 * blotch + 0.07 * grain)
}

/// Wooden boards running along the first axis of the local frame.
fn boards(q: Point, width: f32, tint: Rgb, seed: u32) -> (Rgb, f32) {
    let row = (q.1 / width).floor();
    let within = q.1 / width - row;
    let tone = unit_of(row as i32 as u32, seed);
    let grain = gradient(q.0 / 34.0, q.1 / 2.2 + tone * 90.0, seed);
    let gap = smooth(0.0, 0.09, within.min(1.0 - within));
    let color = shade(
        tint,
        (0.72 + 0.5 * tone) * (1.0 + 0.22 * grain) * (0.25 + 0.75 * gap),
    );
    (color, gap * 3.0 + grain * 0.5)
}

/// A single broken stone: flat faces meeting in edges, chipped and weathered.
pub fn rock(canvas: &mut Canvas, at: Point, radius: f32, rise: f32, tint: Rgb, seed: u32) {
    let turn = unit_of(seed, 1) * 6.3;
    let squash = 0.72 + 0.28 * unit_of(seed, 2);
    let base = (canvas.height_at(at) * 0.85).min(34.0);
    let faces: Vec<(Point, f32, f32)> = (0..7)
        .map(|k| {
            let angle = (k as f32 + 0.7 * unit_of(seed, 50 + k)) * std::f32::consts::TAU / 7.0;
            let rim = radius * (0.74 + 0.3 * unit_of(seed, 60 + k));
            (angle.sin_cos(), rim, 0.9 + 1.7 * unit_of(seed, 70 + k))
        })
        .collect();
    canvas.stamp(at, radius * 1.5, |p, _| {
        let q = local(p, at, turn);
        let rough = fractal(p.0, p.1, radius.max(8.0), 4, seed ^ 31);
        let (mut d, mut crown) = (f32::MIN, 0.60 + 0.12 * q.0 / radius);
        for ((s, c), rim, steep) in &faces {
            let out = q.0 * c + q.1 / squash * s - rim;
            d = d.max(out);
            crown = crown.min(-out / radius * steep);
        }
        let d = d + rough * radius * 0.07;
        let height = base
            + rise * (1.5 * crown.max(0.0) + 0.12 * smooth(0.0, -3.0, d))
            + rough * rise * 0.06;
        let color = shade(tint, 0.78 + 0.45 * crown.max(0.0));
        Ink::solid(weathered(color, p, seed), height).inside(d)
    });
}

/// A heap of stones, thick in the middle and thinning out.
pub fn rubble(
    canvas: &mut Canvas,
    rng: &mut Rng,
    at: Point,
    spread: Point,
    count: usize,
    tint: Rgb,
) {
    let mut pieces: Vec<(f32, Point)> = (0..count)
        .map(|_| {
            let size = 4.0 + 26.0 * rng.unit().powi(3);
            (
                size,
                (at.0 + rng.bell() * spread.0, at.1 + rng.bell() * spread.1),
            )
        })
        .collect();
    pieces.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (size, p) in pieces {
        let tone = shade(tint, rng.range(0.75, 1.15));
        rock(canvas, p, size, size * 0.75, tone, rng.bits() as u32);
    }
}

/// A round column on a square foot.
pub fn pillar(canvas: &mut Canvas, at: Point, seed: u32) {
    let stone = rgb(0x8b8375);
    canvas.stamp(at, 60.0, |p, _| {
        let chip = fractal(p.0, p.1, 18.0, 3, seed) * 2.5;
        let d = slab(p, at, (45.0, 45.0), 4.0) + chip;
        Ink::solid(
            weathered(shade(stone, 0.8), p, seed),
            14.0 + bevel(d, 7.0, 8.0),
        )
        .inside(d)
    });
    canvas.stamp(at, 60.0, |p, _| {
        let d = circle(p, at, 35.0) + fractal(p.0, p.1, 14.0, 2, seed ^ 5) * 1.2;
        let groove = smooth(3.5, 0.5, (d + 12.0).abs()) * 5.0;
        let crack = smooth(0.02, 0.0, gradient(p.0 / 40.0, p.1 / 40.0, seed).abs()) * 2.5;
        let height = 62.0 + bevel(d, 10.0, 22.0) - groove - crack;
        let color = shade(stone, 1.05 - groove * 0.07 - crack * 0.09);
        Ink::solid(weathered(color, p, seed ^ 3), height).inside(d)
    });
}

/// A stone coffin of two cells; an opened one shows its dark inside.
pub fn sarcophagus(canvas: &mut Canvas, at: Point, angle: f32, scale: f32, open: bool, seed: u32) {
    let stone = rgb(0x807869);
    canvas.stamp(at, 130.0 * scale, |p, _| {
        let q = scaled(local(p, at, angle), scale);
        let d = slab(q, (0.0, 0.0), (110.0, 56.0), 3.0) + fractal(p.0, p.1, 16.0, 3, seed) * 2.0;
        let step = slab(q, (0.0, 0.0), (102.0, 48.0), 3.0);
        let height = 9.0 + bevel(d, 5.0, 5.0) + 14.0 * smooth(0.5, -1.5, step);
        let inner = slab(q, (0.0, 0.0), (91.0, 37.0), 3.0);
        let hole = if open { smooth(1.0, -1.0, inner) } else { 0.0 };
        let color = shade(
            weathered(stone, p, seed),
            (0.75 + 0.2 * smooth(0.5, -1.5, step)) * (1.0 - 0.8 * hole),
        );
        Ink::solid(color, height - hole * 24.0).inside(d)
    });
    if open {
        let rest = placed((-20.0 * scale, 0.0), at, angle);
        skeleton(canvas, rest, angle, 0.72 * scale, seed);
    }
    let (lid_at, lid_angle) = if open {
        (
            placed((34.0 * scale, 46.0 * scale), at, angle),
            angle + 0.34,
        )
    } else {
        (at, angle)
    };
    lid(canvas, lid_at, lid_angle, scale, seed);
}

fn scaled(q: Point, scale: f32) -> Point {
    (q.0 / scale, q.1 / scale)
}

/// A coffin lid with the carved figure of a knight holding a sword.
fn lid(canvas: &mut Canvas, at: Point, angle: f32, scale: f32, seed: u32) {
    let stone = rgb(0x968d7b);
    canvas.stamp(at, 120.0 * scale, |p, _| {
        let q = scaled(local(p, at, angle), scale);
        let d = slab(q, (0.0, 0.0), (97.0, 43.0), 5.0) + fractal(p.0, p.1, 14.0, 3, seed ^ 8) * 1.6;
        let groove = smooth(2.6, 0.4, (d + 11.0).abs());
        let head = circle(q, (-63.0, 0.0), 12.0);
        let body = robe(q);
        let cushion = slab(q, (-66.0, 0.0), (14.0, 23.0), 6.0);
        let sword =
            bar(q, (-34.0, 0.0), (48.0, 0.0), 2.6).min(bar(q, (-24.0, -13.0), (-24.0, 13.0), 2.4));
        let arms = bar(q, (-40.0, -20.0), (-16.0, -3.0), 6.0).min(bar(
            q,
            (-40.0, 20.0),
            (-16.0, 3.0),
            6.0,
        ));
        let mut height = 30.0 + bevel(d, 7.0, 7.0) - groove * 4.0;
        height += bevel(cushion, 6.0, 4.0) + bevel(body, 17.0, 13.0);
        height += bevel(head, 11.0, 12.0) + bevel(arms, 6.0, 6.0) + bevel(sword, 2.5, 4.0);
        let crack = smooth(0.016, 0.0, gradient(p.0 / 110.0, p.1 / 110.0, seed).abs());
        let color = shade(
            stone,
            1.0 - 0.45 * groove - 0.5 * crack + 0.12 * smooth(1.0, -2.0, body.min(head)),
        );
        Ink::solid(weathered(color, p, seed ^ 2), height - crack * 3.0).inside(d)
    });
}

fn robe(q: Point) -> f32 {
    let (t, d) = along(q, (-40.0, 0.0), (72.0, 0.0));
    let folds = (q.1 * 0.55).sin() * 1.2 * t;
    d - (25.0 - 13.0 * t) + folds
}

/// A human skeleton lying on its back, head first along the local axis.
pub fn skeleton(canvas: &mut Canvas, at: Point, angle: f32, scale: f32, seed: u32) {
    let limbs: [(Point, Point, f32); 13] = [
        ((-38.0, 0.0), (14.0, 0.0), 2.6),
        ((16.0, -9.0), (16.0, 9.0), 4.5),
        ((17.0, -9.0), (48.0, -14.0), 2.8),
        ((48.0, -14.0), (82.0, -11.0), 2.4),
        ((17.0, 9.0), (50.0, 13.0), 2.8),
        ((50.0, 13.0), (80.0, 20.0), 2.4),
        ((-34.0, -16.0), (-34.0, 16.0), 2.2),
        ((-33.0, -17.0), (-10.0, -25.0), 2.3),
        ((-10.0, -25.0), (12.0, -20.0), 2.1),
        ((-33.0, 17.0), (-14.0, 28.0), 2.3),
        ((-14.0, 28.0), (4.0, 36.0), 2.1),
        ((82.0, -11.0), (86.0, -20.0), 2.3),
        ((80.0, 20.0), (88.0, 14.0), 2.3),
    ];
    canvas.stamp(at, 110.0 * scale, |p, ground| {
        let q = scaled(local(p, at, angle), scale);
        let mut d = limbs.iter().fold(f32::MAX, |d, l| d.min(long_bone(q, *l)));
        for rib in 0..5 {
            let x = -28.0 + rib as f32 * 6.5;
            let wide = 15.0 - (rib as f32 - 1.5).abs() * 1.6;
            let bow = x + 5.0 * (q.1 / wide).powi(2);
            let ribs = (q.0 - bow).abs().max(q.1.abs() - wide) - 1.3;
            d = d.min(ribs);
        }
        bone_ink(p, d * scale, ground, seed)
    });
    skull(
        canvas,
        placed((-50.0 * scale, 0.0), at, angle),
        angle,
        scale,
        seed,
    );
}

fn long_bone(q: Point, (a, b, radius): (Point, Point, f32)) -> f32 {
    let (t, d) = along(q, a, b);
    let knob = (2.0 * t - 1.0).abs().powi(6);
    d - radius * (0.75 + 0.6 * knob)
}

fn bone_ink(p: Point, d: f32, ground: f32, seed: u32) -> Option<Ink> {
    let color = weathered(rgb(0xcfc3a2), p, seed);
    let rim = mix(shade(color, 0.55), color, -d / 2.0);
    Ink::solid(rim, ground + bevel(d, 3.0, 4.0)).inside(d)
}

/// A skull seen from above, its face along the negative local axis.
pub fn skull(canvas: &mut Canvas, at: Point, angle: f32, scale: f32, seed: u32) {
    canvas.stamp(at, 22.0 * scale, |p, ground| {
        let q = scaled(local(p, at, angle), scale);
        let d = circle(q, (0.0, 0.0), 9.5).min(slab(q, (8.5, 0.0), (6.0, 5.5), 3.0));
        let sockets = circle(q, (5.0, -4.2), 2.6).min(circle(q, (5.0, 4.2), 2.6));
        let dark = smooth(0.7, -0.7, sockets.min(circle(q, (10.0, 0.0), 1.2)));
        let color = shade(weathered(rgb(0xd8ccab), p, seed), 1.0 - 0.85 * dark);
        let rim = mix(shade(color, 0.5), color, -d / 2.5);
        Ink::solid(rim, ground + bevel(d, 8.0, 11.0) - dark * 5.0).inside(d * scale)
    });
}

/// Loose bones and a few skulls.
pub fn bone_pile(canvas: &mut Canvas, rng: &mut Rng, at: Point, spread: f32, count: usize) {
    for _ in 0..count {
        let p = (at.0 + rng.bell() * spread, at.1 + rng.bell() * spread);
        let (turn, length, seed) = (
            rng.range(0.0, 6.3),
            rng.range(10.0, 21.0),
            rng.bits() as u32,
        );
        if rng.unit() < 0.2 {
            skull(canvas, p, turn, rng.range(0.85, 1.05), seed);
            continue;
        }
        canvas.stamp(p, 30.0, |q, ground| {
            let d = long_bone(local(q, p, turn), ((-length, 0.0), (length, 0.0), 2.5));
            bone_ink(q, d, ground, seed)
        });
    }
}

/// A bar-shaped door leaf seen from above, hinged at its centre point.
pub fn door_leaf(canvas: &mut Canvas, at: Point, angle: f32, half_width: f32, seed: u32) {
    canvas.stamp(at, half_width + 20.0, |p, _| {
        let q = local(p, at, angle);
        let d = slab(q, (0.0, 0.0), (half_width, 12.0), 2.0);
        let (wood, rise) = boards((q.1, q.0), 15.0, rgb(0x6f4626), seed);
        let band = smooth(
            4.5,
            3.5,
            ((q.0.abs() - half_width * 0.55).abs()).min((q.0.abs() - half_width).abs()),
        );
        let stud = smooth(
            2.6,
            1.6,
            circle((q.0.abs(), q.1.abs()), (half_width * 0.55, 6.0), 0.0),
        );
        let color = mix(wood, shade(rgb(IRON), 0.8 + 1.6 * stud), band);
        Ink::solid(
            color,
            48.0 + rise + bevel(d, 4.0, 5.0) + band * 2.5 + stud * 2.0,
        )
        .glossy(band * 0.5)
        .inside(d)
    });
}

/// The stone posts a door hangs between.
pub fn door_posts(canvas: &mut Canvas, at: Point, angle: f32, half_width: f32, seed: u32) {
    for side in [-1.0, 1.0] {
        let foot = placed((side * (half_width - 4.0), 0.0), at, angle);
        canvas.stamp(foot, 50.0, |p, _| {
            let q = local(p, foot, angle);
            let d = slab(q, (0.0, 0.0), (17.0, 28.0), 3.0) + fractal(p.0, p.1, 13.0, 2, seed) * 1.5;
            let cut = smooth(2.2, 0.6, (q.1.abs() - 10.0).abs()) * 3.0;
            let color = shade(rgb(0x8f8676), 1.0 - cut * 0.1);
            Ink::solid(weathered(color, p, seed), 74.0 + bevel(d, 6.0, 9.0) - cut).inside(d)
        });
    }
}

/// An iron bowl full of glowing coals.
pub fn brazier(canvas: &mut Canvas, at: Point, seed: u32) {
    for leg in 0..3 {
        let turn = leg as f32 * 2.094 + 0.5;
        let foot = placed((36.0, 0.0), at, turn);
        canvas.stamp(foot, 14.0, |p, _| {
            let d = circle(p, foot, 6.0).min(bar(p, foot, at, 3.0));
            Ink::solid(rgb(IRON), 12.0 + bevel(d, 4.0, 5.0))
                .glossy(0.4)
                .inside(d)
        });
    }
    canvas.stamp(at, 36.0, |p, _| {
        let d = circle(p, at, 29.0);
        let bowl = smooth(0.0, -8.0, d);
        let coal = stones(p.0, p.1, 8.0, seed);
        let color = mix(
            rgb(0x4a4442),
            shade(rgb(0x2b1a14), 0.6 + unit_of(coal.id, 3)),
            bowl,
        );
        Ink::solid(
            color,
            30.0 + bevel(d, 4.0, 5.0) - bowl * 6.0 + coal.joint * 6.0 * bowl,
        )
        .glossy(0.6 * (1.0 - bowl))
        .inside(d)
    });
    canvas.shine(at, 60.0, |p| {
        let d = circle(p, at, 0.0);
        let coal = stones(p.0, p.1, 8.0, seed);
        let ember = smooth(23.0, 17.0, d)
            * (0.25 + 0.75 * unit_of(coal.id, 4))
            * smooth(0.0, 0.16, coal.joint);
        let tongues = fractal(p.0, p.1, 22.0, 3, seed ^ 1) * 8.0;
        let flame = smooth(20.0, 2.0, d + tongues);
        let halo = (-(d / 22.0).powi(2)).exp() * 0.25;
        fire(ember * 0.55 + flame * 0.9, flame, halo)
    });
}

fn fire(body: f32, core: f32, halo: f32) -> Rgb {
    [
        body * 1.3 + core * 1.0 + halo,
        body * 0.34 + core * core * 0.85 + halo * 0.4,
        body * 0.04 + core.powi(4) * 0.4 + halo * 0.08,
    ]
}

/// A torch in a wall bracket; `angle` points from the wall into the room.
pub fn torch(canvas: &mut Canvas, at: Point, angle: f32, seed: u32) {
    let tip = placed((16.0, 0.0), at, angle);
    let back = placed((-12.0, 0.0), at, angle);
    canvas.stamp(at, 40.0, |p, _| {
        let d = bar(p, back, tip, 4.0)
            .min(circle(p, tip, 8.0))
            .min(circle(p, back, 8.0));
        Ink::solid(rgb(IRON), 78.0 + bevel(d, 4.0, 6.0))
            .glossy(0.5)
            .inside(d)
    });
    let heart = placed((19.0, 0.0), at, angle);
    flame(canvas, heart, 15.0, seed);
}

/// A flame seen from above.
pub fn flame(canvas: &mut Canvas, at: Point, size: f32, seed: u32) {
    canvas.shine(at, size * 4.0, |p| {
        let d = circle(p, at, 0.0) + fractal(p.0, p.1, size * 1.3, 3, seed) * size * 0.45;
        let core = smooth(size, size * 0.1, d);
        fire(core * 0.8, core, (-(d / (size * 1.6)).powi(2)).exp() * 0.22)
    });
}

/// A group of candles on the floor.
pub fn candles(canvas: &mut Canvas, rng: &mut Rng, at: Point, count: usize) {
    for _ in 0..count {
        let p = (at.0 + rng.bell() * 20.0, at.1 + rng.bell() * 20.0);
        let radius = rng.range(4.0, 6.5);
        let seed = rng.bits() as u32;
        canvas.stamp(p, 20.0, |q, ground| {
            let d = circle(q, p, radius + 3.0) + fractal(q.0, q.1, 9.0, 2, seed) * 3.0;
            Ink::solid(rgb(0xb9a980), ground + bevel(d, 3.0, 2.0)).inside(d)
        });
        canvas.stamp(p, 12.0, |q, _| {
            let d = circle(q, p, radius);
            Ink::solid(rgb(0xe2d3a8), 14.0 + bevel(d, 2.0, 2.0)).inside(d)
        });
        flame(canvas, p, 5.0, seed);
    }
}

/// An iron-bound chest.
pub fn chest(canvas: &mut Canvas, at: Point, angle: f32, seed: u32) {
    canvas.stamp(at, 60.0, |p, _| {
        let q = local(p, at, angle);
        let d = slab(q, (0.0, 0.0), (40.0, 26.0), 3.0);
        let (wood, rise) = boards(q, 12.0, rgb(0x7a4d28), seed);
        let band = smooth(5.0, 4.0, ((q.0.abs() - 22.0).abs()).min((d + 3.0).abs()));
        let lock = slab(q, (0.0, 24.0), (7.0, 6.0), 2.0);
        let metal = mix(rgb(0x4a4644), rgb(0xc89b3c), smooth(0.5, -0.5, lock));
        let band = band.max(smooth(0.5, -0.5, lock));
        let arch = 12.0 * (1.0 - (q.1 / 27.0).powi(2)).max(0.0);
        Ink::solid(mix(wood, metal, band), 16.0 + arch + rise + band * 2.0)
            .glossy(band * 0.7)
            .inside(d)
    });
}

/// A wooden crate with a framed lid.
pub fn crate_box(canvas: &mut Canvas, at: Point, angle: f32, half: f32, seed: u32) {
    canvas.stamp(at, half * 1.6, |p, _| {
        let q = local(p, at, angle);
        let d = slab(q, (0.0, 0.0), (half, half), 2.0);
        let frame = smooth(-9.0, -7.5, d).max(smooth(5.5, 4.5, (q.0 - q.1).abs() * 0.707));
        let (wood, rise) = boards(q, 13.0, rgb(0x86623a), seed);
        let color = mix(wood, weathered(rgb(0x967248), p, seed), frame * 0.8);
        Ink::solid(color, 34.0 + rise + frame * 3.0 + bevel(d, 2.0, 3.0)).inside(d)
    });
}

/// A barrel standing upright.
pub fn barrel(canvas: &mut Canvas, at: Point, radius: f32, seed: u32) {
    canvas.stamp(at, radius * 1.3, |p, _| {
        let q = local(p, at, unit_of(seed, 1) * 6.3);
        let d = circle(q, (0.0, 0.0), radius);
        let lid = smooth(-radius * 0.14, -radius * 0.14 - 2.0, d);
        let (wood, rise) = boards(q, radius * 0.34, rgb(0x7c542c), seed);
        let hoop = smooth(radius * 0.06, radius * 0.03, (d + radius * 0.06).abs());
        let color = mix(shade(wood, 0.7 + 0.3 * lid), rgb(0x4c4846), hoop);
        Ink::solid(color, 44.0 - lid * 5.0 + rise * lid + bevel(d, 3.0, 4.0))
            .glossy(hoop * 0.5)
            .inside(d)
    });
}

/// A shelf of old books along a wall; the local first axis runs along it.
pub fn bookshelf(canvas: &mut Canvas, at: Point, angle: f32, half: f32, seed: u32) {
    let hues = [0x6b2a22, 0x2d453c, 0x333b5c, 0x7a5a2c, 0x4b2e46, 0x8a7b5c];
    canvas.stamp(at, half + 30.0, |p, _| {
        let q = local(p, at, angle);
        let d = slab(q, (0.0, 0.0), (half, 24.0), 2.0);
        let slot = (q.0 / 9.0 + 0.35 * gradient(q.0 / 20.0, 0.5, seed)).floor();
        let within = (q.0 / 9.0 + 0.35 * gradient(q.0 / 20.0, 0.5, seed)) - slot;
        let pick = unit_of(slot as i32 as u32, seed);
        let depth = 17.0 - 9.0 * unit_of(slot as i32 as u32, seed ^ 4);
        let book = slab(q, (0.0, 0.0), (half - 7.0, 18.0), 1.0) < 0.0 && q.1 < depth && pick > 0.12;
        let edge = smooth(0.0, 0.2, within.min(1.0 - within));
        let (wood, _) = boards(q, 24.0, rgb(0x5d3c20), seed);
        let inner = slab(q, (0.0, 0.0), (half - 6.0, 19.0), 1.0) < 0.0;
        let hue = hues[(unit_of(slot as i32 as u32, seed ^ 7) * 5.99) as usize];
        let (color, height) = match (book, inner) {
            (true, _) => (
                shade(rgb(hue), 0.5 + 0.8 * edge),
                50.0 + 6.0 * pick + 3.0 * edge,
            ),
            (false, true) => (shade(wood, 0.35), 40.0),
            (false, false) => (wood, 62.0 + bevel(d, 3.0, 3.0)),
        };
        Ink::solid(weathered(color, p, seed), height).inside(d)
    });
}

/// A long table with papers strewn over it.
pub fn table(canvas: &mut Canvas, at: Point, angle: f32, half: Point, seed: u32) {
    let papers: Vec<(Point, f32, Point)> = (0..7)
        .map(|i| {
            let place = (
                (unit_of(seed, 10 + i) - 0.5) * 1.6 * half.0,
                (unit_of(seed, 20 + i) - 0.5) * 1.2 * half.1,
            );
            (
                place,
                unit_of(seed, 30 + i) * 3.0,
                (9.0 + 6.0 * unit_of(seed, 40 + i), 8.0),
            )
        })
        .collect();
    canvas.stamp(at, half.0 + half.1, |p, _| {
        let q = local(p, at, angle);
        let d = slab(q, (0.0, 0.0), half, 4.0);
        let (mut color, rise) = boards(q, 19.0, rgb(0x7d542e), seed);
        let mut height = 34.0 + rise + bevel(d, 4.0, 4.0);
        for (place, turn, size) in &papers {
            let leaf = slab(local(q, *place, *turn), (0.0, 0.0), *size, 1.0);
            let lines = (local(q, *place, *turn).1 * 1.6).sin() * 0.12;
            let cover = smooth(0.6, -0.6, leaf);
            color = mix(color, shade(rgb(0xd8c89a), 0.95 + lines), cover);
            height += (40.0 - height) * cover;
        }
        Ink::solid(color, height).inside(d)
    });
}

/// Coins spilled on the floor.
pub fn coins(canvas: &mut Canvas, rng: &mut Rng, at: Point, spread: f32, count: usize) {
    for _ in 0..count {
        let p = (at.0 + rng.bell() * spread, at.1 + rng.bell() * spread);
        let tone = rng.range(0.7, 1.2);
        canvas.stamp(p, 8.0, |q, ground| {
            let d = circle(q, p, 4.2);
            let rim = smooth(1.2, 0.2, (d + 1.0).abs());
            Ink::solid(
                shade(rgb(0xd9a438), tone * (1.0 - 0.3 * rim)),
                ground + bevel(d, 2.0, 2.0),
            )
            .glossy(0.9)
            .inside(d)
        });
    }
}

/// A woven runner with a border, worn through in places.
pub fn carpet(canvas: &mut Canvas, at: Point, half: Point, seed: u32) {
    canvas.stamp(at, half.0.max(half.1) + 20.0, |p, ground| {
        let q = (p.0 - at.0, p.1 - at.1);
        let fray = gradient(p.0 / 7.0, p.1 / 7.0, seed) * 4.0;
        let d = slab(q, (0.0, 0.0), half, 2.0) + fray.max(0.0);
        let wear = fractal(p.0, p.1, 120.0, 5, seed ^ 6);
        let border = smooth(4.0, 2.5, (d + 15.0).abs()).max(smooth(1.6, 0.6, (d + 24.0).abs()));
        let diamond = ((q.0 / 44.0).fract().abs() - 0.5).abs() + (q.1 / 70.0).abs();
        let figure = smooth(0.05, 0.02, (diamond - 0.42).abs()) * 0.8;
        let weave = 0.9 + 0.1 * (p.0 * 1.5).sin() * (p.1 * 1.5).sin();
        let dyed = mix(rgb(0x722622), rgb(0xb08338), border.max(figure));
        let color = mix(
            shade(dyed, weave),
            rgb(0x4c3d31),
            smooth(-0.3, 0.7, wear) * 0.75,
        );
        let whole = smooth(0.52, 0.42, wear);
        Ink::solid(color, ground * 0.4 + 3.0 + weave)
            .veiled(whole)
            .inside(d)
    });
}

/// A cobweb spanning the corner between two walls that run along the given
/// directions.
pub fn cobweb(canvas: &mut Canvas, corner: Point, right: f32, down: f32, size: f32) {
    canvas.stamp(corner, size, |p, ground| {
        let (u, v) = ((p.0 - corner.0) * right, (p.1 - corner.1) * down);
        if u < 0.0 || v < 0.0 {
            return None;
        }
        let (r, turn) = (u.hypot(v), v.atan2(u));
        let spoke = ((turn / 0.262).fract() - 0.5).abs();
        let spokes = smooth(0.9, 0.2, (0.5 - spoke) * 0.262 * r);
        let sag = r + 7.0 * (0.5 - spoke) * r / size * 2.0;
        let ring = ((sag / 12.0).fract() - 0.5).abs() * 12.0;
        let thread = spokes.max(smooth(0.8, 0.2, ring) * 0.7);
        let fade = smooth(size, size * 0.3, r);
        Some(Ink::solid(rgb(0xb8b8b4), ground).veiled(thread * fade * 0.45))
    });
}

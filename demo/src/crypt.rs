//! The crypt: rooms and corridors cut into dark rock, lit by fire, by a
//! ritual circle and by the moon through a fallen ceiling.

use crate::canvas::{CELL, Canvas, Ink, Rgb, mix, rgb, shade};
use crate::light::{Lamp, Lighting, Sun, unit};
use crate::noise::{Rng, fractal, gradient, hash, smooth, stones, unit_of};
use crate::props;
use crate::shapes::{Point, bar, circle, placed, slab};

/// A room's edges in grid cells: left, top, right, bottom.
pub type Edges = (f32, f32, f32, f32);

/// Where the stairs come down.
pub const ENTRANCE: Edges = (1.0, 6.0, 7.0, 12.0);
/// The tombs of the knights.
pub const TOMBS: Edges = (2.0, 1.0, 9.0, 5.0);
/// The bone cellar.
pub const OSSUARY: Edges = (2.0, 13.0, 9.0, 17.0);
/// The pillared hall with the ritual circle.
pub const HALL: Edges = (10.0, 5.0, 22.0, 13.0);
/// The archive north of the hall.
pub const ARCHIVE: Edges = (12.0, 1.0, 20.0, 4.0);
/// The treasury south of the hall.
pub const TREASURY: Edges = (12.0, 14.0, 20.0, 17.0);
/// The chamber whose ceiling fell and which filled with water.
pub const FLOODED: Edges = (24.0, 1.0, 31.0, 9.0);
/// The shrine of the crypt's lord.
pub const SHRINE: Edges = (24.0, 11.0, 31.0, 17.0);

const CORRIDORS: [Edges; 8] = [
    (7.0, 8.0, 10.0, 10.0),
    (4.0, 5.0, 5.0, 6.0),
    (5.0, 12.0, 6.0, 13.0),
    (15.0, 4.0, 17.0, 5.0),
    (15.0, 13.0, 17.0, 14.0),
    (22.0, 7.0, 24.0, 8.0),
    (22.0, 11.0, 24.0, 13.0),
    (27.0, 9.0, 28.0, 11.0),
];

const CIRCLE: Point = (16.0 * CELL, 9.0 * CELL);
const POOL: Point = (28.2 * CELL, 4.4 * CELL);

fn cells(x: f32, y: f32) -> Point {
    (x * CELL, y * CELL)
}

fn room_distance(p: Point, room: Edges) -> f32 {
    let centre = cells((room.0 + room.2) / 2.0, (room.1 + room.3) / 2.0);
    let half = (
        (room.2 - room.0) / 2.0 * CELL,
        (room.3 - room.1) / 2.0 * CELL,
    );
    slab(p, centre, half, 0.0)
}

/// Distance from the walked-on part of the crypt; negative inside it.
fn floor_distance(p: Point) -> f32 {
    let plain = [ENTRANCE, TOMBS, OSSUARY, HALL, ARCHIVE, TREASURY];
    let built = plain.iter().chain(&CORRIDORS);
    let built = built.fold(f32::MAX, |d, room| d.min(room_distance(p, *room)));
    // The shrine's corners are cut off, the flooded chamber's walls have
    // partly given way.
    let shrine = room_distance(p, SHRINE);
    let middle = cells(27.5, 14.0);
    let across = ((p.0 - middle.0).abs() + (p.1 - middle.1).abs() - 5.35 * CELL) * 0.707;
    let flooded = room_distance(p, FLOODED);
    let broken = smooth(25.0 * CELL, 28.0 * CELL, p.0) * smooth(8.6 * CELL, 7.0 * CELL, p.1);
    let flooded = flooded - broken * (fractal(p.0, p.1, 190.0, 4, 71) * 46.0 - 4.0);
    built.min(shrine.max(across)).min(flooded)
}

/// One slab of a paved floor.
struct Flag {
    id: u32,
    joint: f32,
    from_centre: Point,
}

/// Cuts each grid cell into one, two or four slabs.
fn flag(p: Point, seed: u32) -> Flag {
    let wobble = (
        fractal(p.0, p.1, 40.0, 2, seed) * 2.2,
        fractal(p.1, p.0, 40.0, 2, seed ^ 3) * 2.2,
    );
    let q = (p.0 + wobble.0, p.1 + wobble.1);
    let (cx, cy) = ((q.0 / CELL).floor(), (q.1 / CELL).floor());
    let pick = hash(cx as i32, cy as i32, seed);
    let (columns, rows) = match pick % 9 {
        0..=1 => (1.0, 1.0),
        2..=3 => (2.0, 1.0),
        4..=5 => (1.0, 2.0),
        _ => (2.0, 2.0),
    };
    // Splits off the exact middle keep the paving from looking like graph paper.
    let shift = (unit_of(pick, 1) - 0.5) * 26.0;
    let (left, right) = split(q.0 - cx * CELL, columns, shift);
    let (top, bottom) = split(q.1 - cy * CELL, rows, -shift);
    let (u, v) = (q.0 - cx * CELL, q.1 - cy * CELL);
    Flag {
        id: hash(
            left as i32 + cx as i32 * 999,
            top as i32 + cy as i32 * 999,
            pick,
        ),
        joint: (u - left).min(right - u).min(v - top).min(bottom - v),
        from_centre: (u - (left + right) / 2.0, v - (top + bottom) / 2.0),
    }
}

fn split(at: f32, parts: f32, shift: f32) -> (f32, f32) {
    let cut = CELL / 2.0 + shift;
    match (parts > 1.5, at < cut) {
        (false, _) => (0.0, CELL),
        (true, true) => (0.0, cut),
        (true, false) => (cut, CELL),
    }
}

/// The ring-shaped paving around the ritual circle.
fn ring_flag(p: Point) -> Flag {
    let r = circle(p, CIRCLE, 0.0);
    let width = 59.0;
    let ring = (r / width).floor();
    let turn = (p.1 - CIRCLE.1).atan2(p.0 - CIRCLE.0) / std::f32::consts::TAU + 0.5;
    let count = (ring * 6.0).max(1.0);
    let place = turn * count + ring * 0.37;
    let within = place - place.floor();
    let arc = if ring < 1.0 {
        99.0
    } else {
        within.min(1.0 - within) / count * std::f32::consts::TAU * r
    };
    let radial = (r - ring * width).min((ring + 1.0) * width - r);
    Flag {
        id: hash(
            ring as i32,
            (place.floor() as i32).rem_euclid(count as i32),
            91,
        ),
        joint: arc.min(radial),
        from_centre: ((within - 0.5) * 50.0, r - (ring + 0.5) * width),
    }
}

/// Stone paving: tone, tilt, worn edges, cracks, dirt and moss.
fn paving(p: Point, flag: &Flag, tints: [u32; 3], damp: f32) -> Ink {
    let chips = (fractal(p.0, p.1, 22.0, 3, 12) * 6.0 - 1.6).max(0.0);
    let joint = flag.joint - chips;
    let rim = smooth(0.4, 5.2, joint);
    let pick = unit_of(flag.id, 1);
    let base = if pick < 0.5 {
        mix(rgb(tints[0]), rgb(tints[1]), pick * 2.0)
    } else {
        mix(rgb(tints[1]), rgb(tints[2]), pick * 2.0 - 1.0)
    };
    let rough = fractal(p.0, p.1, 34.0, 4, flag.id);
    let broad = fractal(p.0, p.1, 420.0, 4, 77);
    let crack = if unit_of(flag.id, 2) < 0.3 {
        crack(p, flag.id, rough)
    } else {
        0.0
    };
    let tilt = (unit_of(flag.id, 3) - 0.5) * flag.from_centre.0
        + (unit_of(flag.id, 4) - 0.5) * flag.from_centre.1;
    let height =
        rim * 5.0 + rough * 1.1 + tilt * 0.07 - crack * 3.5 + unit_of(flag.id, 5) * 1.6 - 5.0;
    let tone = (0.72 + 0.5 * unit_of(flag.id, 6)) * (1.0 + 0.2 * rough + 0.2 * broad);
    let soil = mix(
        rgb(0x332d26),
        rgb(0x363b25),
        smooth(-0.1, 0.35, broad + damp),
    );
    let color = mix(soil, shade(base, tone), rim * (1.0 - 0.75 * crack));
    let moss = smooth(
        0.15,
        0.6,
        fractal(p.0, p.1, 230.0, 5, 33) + damp + 0.22 * (1.0 - rim) - 0.3,
    );
    let color = mix(color, rgb(0x46542b), moss * 0.6);
    Ink::solid(color, height + moss * 1.5).glossy(0.1 * rim * (1.0 - moss))
}

/// A hairline that starts somewhere, forks around and peters out.
fn crack(p: Point, seed: u32, rough: f32) -> f32 {
    let bent = (p.0 + rough * 5.0, p.1 - rough * 5.0);
    let vein = gradient(bent.0 / 90.0, bent.1 / 90.0, seed ^ 6).abs();
    let lasting = smooth(-0.1, 0.35, gradient(p.0 / 60.0, p.1 / 60.0, seed ^ 11));
    smooth(0.028, 0.010, vein) * lasting
}

const GREY: [u32; 3] = [0x6f6b68, 0x7d7263, 0x666a68];
const WARM: [u32; 3] = [0x80725e, 0x746a5d, 0x8c7b62];
const BLUE: [u32; 3] = [0x4c525c, 0x5a5c64, 0x424a55];
const BLACK: [u32; 3] = [0x3d3a44, 0x4a454c, 0x34333d];
const PALE: [u32; 3] = [0x6d6562, 0x786f66, 0x666162];

/// Whether a point belongs to a room rather than to a passage; the walls'
/// uneven foot still counts as the room's floor.
fn within(p: Point, room: Edges) -> bool {
    let passage = CORRIDORS.iter().any(|edges| room_distance(p, *edges) < 0.0);
    room_distance(p, room) < if passage { 0.0 } else { 14.0 }
}

fn floor(p: Point) -> Ink {
    if within(p, FLOODED) {
        return flooded_floor(p);
    }
    if circle(p, CIRCLE, 2.95 * CELL) < 0.0 {
        return paving(p, &ring_flag(p), BLUE, -0.5);
    }
    if within(p, SHRINE) {
        return shrine_floor(p);
    }
    let (tints, damp, seed) = if within(p, HALL) {
        (GREY, -0.1, 3)
    } else if within(p, TOMBS) || within(p, ARCHIVE) {
        (WARM, -0.15, 4)
    } else if within(p, OSSUARY) {
        (WARM, 0.18, 5)
    } else {
        (GREY, 0.08, 6)
    };
    paving(p, &flag(p, seed), tints, damp)
}

/// Half-cell tiles in two colours.
fn shrine_floor(p: Point) -> Ink {
    let side = CELL / 2.0;
    let (cx, cy) = ((p.0 / side).floor(), (p.1 / side).floor());
    let (u, v) = (p.0 - cx * side, p.1 - cy * side);
    let tile = Flag {
        id: hash(cx as i32, cy as i32, 17),
        joint: u.min(side - u).min(v).min(side - v) * 1.7,
        from_centre: (u - side / 2.0, v - side / 2.0),
    };
    let tints = if (cx + cy) as i32 % 2 == 0 {
        BLACK
    } else {
        PALE
    };
    paving(p, &tile, tints, -0.45).glossy(0.25)
}

fn pool_distance(p: Point) -> f32 {
    let q = ((p.0 - POOL.0) * 0.92, (p.1 - POOL.1) * 0.84);
    q.0.hypot(q.1) - 2.5 * CELL + fractal(p.0, p.1, 260.0, 4, 55) * 85.0
}

/// Paving that breaks off towards the water, then mud, then the pool itself.
fn flooded_floor(p: Point) -> Ink {
    let tile = flag(p, 8);
    let heart = (p.0 - tile.from_centre.0, p.1 - tile.from_centre.1);
    let shore = pool_distance(p);
    let kept =
        pool_distance(heart) > 40.0 + 90.0 * unit_of(tile.id, 9) - 60.0 * unit_of(tile.id, 10);
    let gravel = stones(p.0, p.1, 17.0, 14);
    let grit = fractal(p.0, p.1, 60.0, 4, 15);
    let mud = mix(rgb(0x4b4234), rgb(0x5f5645), unit_of(gravel.id, 2));
    let bank = smooth(60.0, -40.0, shore);
    let bed = Ink::solid(
        shade(
            mud,
            (0.6 + 0.4 * smooth(0.02, 0.12, gravel.joint))
                * (1.0 + 0.25 * grit)
                * (1.0 - 0.4 * bank),
        ),
        -9.0 + gravel.joint * 9.0 + grit * 2.0 - 8.0 * bank,
    );
    let ground = if kept {
        paving(p, &tile, GREY, 0.3)
    } else {
        bed.glossy(0.3 * bank)
    };
    let water = smooth(-3.0, -9.0, shore);
    if water <= 0.0 {
        return ground;
    }
    let depth = smooth(0.0, 190.0, -shore);
    let ripple =
        fractal(p.0, p.1, 90.0, 3, 21) * 1.6 + (shore * 0.13 + grit).sin() * 0.5 * (1.0 - depth);
    let caustic = 1.0 - fractal(p.0, p.1, 46.0, 3, 23).abs() * 1.6;
    let tint = mix(rgb(0x3a6a62), rgb(0x0d2630), depth.sqrt());
    let seen = mix(shade(ground.color, 0.5), tint, 0.35 + 0.62 * depth.sqrt());
    let color = shade(
        seen,
        1.0 + 0.35 * caustic.max(0.0).powi(4) * (1.0 - 0.6 * depth),
    );
    let foam = smooth(7.0, 2.0, (shore + 10.0).abs()) * 0.25;
    Ink {
        cover: 1.0,
        color: mix(mix(ground.color, color, water), rgb(0x9ab0a6), foam),
        height: ground.height + (-19.0 + ripple - ground.height) * water,
        gloss: 0.10 * water,
    }
}

/// The masonry around the rooms and the rock behind it.
fn wall(p: Point, distance: f32) -> Ink {
    let stone = stones(p.0, p.1, 31.0, 41);
    let rough = fractal(p.0, p.1, 22.0, 4, 42);
    let rim = smooth(0.015, 0.13, stone.joint);
    let tone = 0.62 + 0.6 * unit_of(stone.id, 1);
    let face = mix(rgb(0x7b7264), rgb(0x8a806c), unit_of(stone.id, 2));
    let lean = (unit_of(stone.id, 3) - 0.5) * stone.from_centre.0
        + (unit_of(stone.id, 4) - 0.5) * stone.from_centre.1;
    let masonry = Ink::solid(
        mix(rgb(0x1f1c19), shade(face, tone * (1.0 + 0.2 * rough)), rim),
        80.0 + rim * 7.0 + rough * 2.0 + lean * 9.0 + unit_of(stone.id, 5) * 4.0,
    );
    let crag = stones(p.0 + rough * 14.0, p.1 - rough * 14.0, 92.0, 44);
    let ridge = fractal(p.0, p.1, 110.0, 5, 45);
    let depth = smooth(30.0, 190.0, distance);
    let dark = shade(
        rgb(0x4b4645),
        (0.62 + 0.3 * ridge + 0.25 * unit_of(crag.id, 1)) * (1.0 - 0.72 * depth),
    );
    let rock = Ink::solid(
        shade(dark, 0.45 + 0.55 * smooth(0.0, 0.07, crag.joint)),
        84.0 + ridge * 14.0 + smooth(0.0, 0.12, crag.joint) * 9.0,
    );
    // Each stone decides on its own whether it still belongs to the wall, so
    // the masonry ends in whole stones.
    let edge = distance + (unit_of(stone.id, 7) - 0.5) * 14.0 + rough * 5.0;
    let solid = smooth(40.0, 36.0, edge);
    Ink {
        cover: 1.0,
        color: mix(rock.color, masonry.color, solid),
        height: rock.height + (masonry.height - rock.height) * solid,
        gloss: 0.05,
    }
}

fn ground(x: f32, y: f32) -> Ink {
    let p = (x, y);
    let distance = floor_distance(p);
    if distance > 26.0 {
        return wall(p, distance);
    }
    let stone = stones(x, y, 31.0, 41);
    let jut = (unit_of(stone.id, 8) - 0.5) * 9.0 + fractal(x, y, 22.0, 3, 47) * 3.0;
    let edge = distance + jut - 2.0;
    if edge > 0.8 {
        return wall(p, distance);
    }
    let mut ink = floor(p);
    let grime = smooth(-46.0, 0.0, distance + 16.0 * fractal(x, y, 60.0, 3, 48));
    ink.color = mix(ink.color, shade(ink.color, 0.5), grime * 0.8);
    if edge > -0.8 {
        let other = wall(p, distance);
        let t = smooth(-0.8, 0.8, edge);
        ink.color = mix(ink.color, other.color, t);
        ink.height += (other.height - ink.height) * t;
    }
    ink
}

/// Steps that climb to the left out of the entrance hall.
fn stairs(canvas: &mut Canvas) {
    let middle = cells(1.75, 9.0);
    canvas.stamp(middle, 260.0, |p, _| {
        let d = slab(p, middle, (0.75 * CELL, 1.5 * CELL), 0.0);
        let rise = (2.5 * CELL - p.0) / 25.7;
        let step = rise.floor();
        let nose = 1.0 - (rise - step);
        let stone = stones(p.0 * 0.35, p.1, 46.0, 60 + step as u32);
        let rough = fractal(p.0, p.1, 24.0, 4, 61);
        let worn = 2.0 * smooth(150.0, 20.0, (p.1 - middle.1).abs());
        let joint = smooth(0.0, 0.05, stone.joint);
        let tone =
            (0.8 + 0.35 * unit_of(stone.id, 1)) * (1.0 + 0.18 * rough) * (0.55 + 0.45 * joint);
        let lip = smooth(1.0, 0.86, nose) * smooth(0.0, 0.1, nose);
        let color = shade(rgb(0x867d70), tone * (0.62 + 0.38 * lip));
        Ink::solid(color, step * 9.5 + joint * 2.0 + rough - worn + lip * 2.0).inside(d)
    });
    for side in [-1.0, 1.0] {
        let at = (middle.0, middle.1 + side * 1.5 * CELL);
        canvas.stamp(at, 110.0, |p, _| {
            let d = slab(p, at, (0.75 * CELL, 15.0), 3.0) + fractal(p.0, p.1, 20.0, 3, 62) * 2.0;
            let block = (p.0 / 45.0).fract();
            let joint = smooth(0.0, 0.06, block.min(1.0 - block));
            let color = shade(
                rgb(0x938a7b),
                0.5 + 0.5 * joint + 0.15 * fractal(p.0, p.1, 30.0, 3, 63),
            );
            Ink::solid(color, 66.0 + joint * 4.0 - d.max(-6.0)).inside(d)
        });
    }
}

/// Every line of the ritual circle, as pairs of points.
fn sigil() -> Vec<(Point, Point)> {
    let spoke = |k: f32, r: f32| placed((r, 0.0), CIRCLE, (k - 0.25) * std::f32::consts::TAU);
    let mut lines = Vec::new();
    for k in 0..7 {
        lines.push((
            spoke(k as f32 / 7.0, 228.0),
            spoke((k + 3) as f32 / 7.0, 228.0),
        ));
    }
    let mut rng = Rng::new(606);
    for k in 0..28 {
        let turn = (k as f32 + 0.5) / 28.0;
        let home = spoke(turn, 252.0);
        let angle = turn * std::f32::consts::TAU;
        let corners = [
            (-9.0, -11.0),
            (9.0, -11.0),
            (9.0, 11.0),
            (-9.0, 11.0),
            (0.0, -11.0),
            (0.0, 11.0),
            (0.0, 0.0),
        ];
        let mut from = corners[rng.below(7)];
        for _ in 0..4 {
            let to = corners[rng.below(7)];
            lines.push((placed(from, home, angle), placed(to, home, angle)));
            from = to;
        }
    }
    lines
}

fn ritual_circle(canvas: &mut Canvas) {
    let lines = sigil();
    let distance = |p: Point| {
        let r = circle(p, CIRCLE, 0.0);
        let rings = [274.0, 230.0, 96.0, 84.0];
        let d = rings
            .iter()
            .fold(f32::MAX, |d, ring| d.min((r - ring).abs()));
        let d = if r < 290.0 {
            lines.iter().fold(d, |d, l| d.min(bar(p, l.0, l.1, 0.0)))
        } else {
            d
        };
        // Chalk and wear: the lines are not equally thick everywhere.
        d + fractal(p.0, p.1, 18.0, 3, 88) * 1.1
    };
    canvas.stamp(CIRCLE, 300.0, |p, ground| {
        let d = distance(p);
        let scorch = smooth(290.0, 40.0, circle(p, CIRCLE, 0.0)) * 0.35;
        let line = smooth(4.0, 1.6, d);
        let cover = line.max(scorch * (0.6 + 0.4 * fractal(p.0, p.1, 90.0, 4, 89)));
        let color = mix(rgb(0x14181c), rgb(0x7fe8cf), line);
        Some(Ink::solid(color, ground - 2.5 * line).veiled(cover))
    });
    canvas.shine(CIRCLE, 330.0, |p| {
        let d = distance(p);
        let r = circle(p, CIRCLE, 0.0);
        let pulse = 0.65 + 0.35 * fractal(p.0, p.1, 200.0, 3, 90);
        let line = (smooth(4.0, 1.0, d) * 0.5 + (-d.max(0.0) / 9.0).exp() * 0.17) * pulse;
        let mist = smooth(300.0, 0.0, r) * 0.05 * (1.0 + fractal(p.0, p.1, 120.0, 4, 92));
        [0.16, 1.0, 0.74].map(|c| c * (line + mist))
    });
}

/// Two low steps on which the lord of the crypt lies.
fn dais(canvas: &mut Canvas, at: Point) {
    for (half, height) in [((205.0, 150.0), 8.0), ((172.0, 117.0), 16.0)] {
        canvas.stamp(at, 260.0, |p, _| {
            let chip = fractal(p.0, p.1, 20.0, 3, 65) * 2.0;
            let d = slab(p, at, half, 26.0) + chip;
            let row = ((p.1 - at.1) / 50.0 + 0.5).floor();
            let across = ((p.1 - at.1) / 50.0 + 0.5) - row;
            let block = ((p.0 - at.0) / 100.0 + row * 0.5 + 9.0).fract();
            let gap = (across.min(1.0 - across) * 50.0).min(block.min(1.0 - block) * 100.0);
            let seam = smooth(0.5, 3.0, gap + chip * 0.5);
            let rough = fractal(p.0, p.1, 40.0, 4, 66);
            let rim = smooth(0.0, -7.0, d);
            let color = shade(
                rgb(0x5f5866),
                (0.85 + 0.25 * rough) * (0.5 + 0.5 * seam) * (1.2 - 0.2 * rim),
            );
            Ink::solid(color, height + rim * 5.0 + rough + seam * 2.0)
                .glossy(0.2)
                .inside(d)
        });
    }
}

fn furnish(canvas: &mut Canvas) {
    let mut rng = Rng::new(2024);
    stairs(canvas);
    props::carpet(canvas, cells(11.55, 9.0), (1.42 * CELL, 0.62 * CELL), 5);
    props::carpet(canvas, cells(20.4, 9.0), (1.42 * CELL, 0.62 * CELL), 6);
    ritual_circle(canvas);
    for (i, x) in [11.5, 13.5, 18.5, 20.5].into_iter().enumerate() {
        props::pillar(canvas, cells(x, 6.5), 70 + i as u32);
        props::pillar(canvas, cells(x, 11.5), 80 + i as u32);
    }
    tombs(canvas, &mut rng);
    ossuary(canvas, &mut rng);
    archive_and_treasury(canvas, &mut rng);
    collapse(canvas, &mut rng);
    shrine(canvas, &mut rng);
    doors(canvas);
    litter(canvas, &mut rng);
    corners(canvas);
}

fn tombs(canvas: &mut Canvas, rng: &mut Rng) {
    let down = std::f32::consts::FRAC_PI_2;
    for (i, x) in [3.0, 6.0, 8.0].into_iter().enumerate() {
        props::sarcophagus(canvas, cells(x, 2.3), down, 0.92, false, 100 + i as u32);
    }
    props::sarcophagus(canvas, cells(7.3, 4.25), 0.0, 0.86, true, 110);
    props::candles(canvas, rng, cells(4.5, 1.4), 6);
    props::bone_pile(canvas, rng, cells(2.7, 4.4), 40.0, 9);
}

fn ossuary(canvas: &mut Canvas, rng: &mut Rng) {
    for (x, y, size, count) in [
        (2.6, 13.7, 60.0, 46),
        (3.0, 16.3, 75.0, 60),
        (8.3, 16.3, 70.0, 52),
        (8.5, 13.6, 46.0, 26),
    ] {
        props::rubble(canvas, rng, cells(x, y), (size, size), 10, rgb(0x6d6557));
        props::bone_pile(canvas, rng, cells(x, y), size * 1.25, count);
    }
    props::skeleton(canvas, cells(5.6, 15.4), 0.7, 1.0, 121);
    props::bone_pile(canvas, rng, cells(5.5, 15.2), 200.0, 18);
}

fn archive_and_treasury(canvas: &mut Canvas, rng: &mut Rng) {
    for (i, x) in [12.95, 14.85, 17.1, 19.05].into_iter().enumerate() {
        props::bookshelf(canvas, cells(x, 1.22), 0.0, 104.0, 130 + i as u32);
    }
    props::table(canvas, cells(13.9, 2.75), 0.05, (110.0, 42.0), 140);
    props::table(canvas, cells(18.5, 2.8), -0.12, (80.0, 40.0), 141);
    props::candles(canvas, rng, cells(19.6, 3.6), 4);
    for (x, y, turn) in [
        (12.7, 16.5, 0.1),
        (14.0, 16.6, -0.06),
        (19.3, 15.0, 1.5),
        (18.1, 16.5, 0.2),
    ] {
        props::chest(canvas, cells(x, y), turn, (x * 10.0) as u32);
        props::coins(canvas, rng, cells(x, y - 0.3), 80.0, 34);
    }
    props::coins(canvas, rng, cells(16.0, 15.8), 120.0, 90);
    for (x, y, turn, half) in [
        (12.5, 14.55, 0.1, 40.0),
        (13.3, 14.5, -0.2, 34.0),
        (19.4, 16.4, 0.3, 40.0),
    ] {
        props::crate_box(canvas, cells(x, y), turn, half, (x * 7.0) as u32);
    }
    props::barrel(canvas, cells(12.45, 15.35), 34.0, 151);
    props::barrel(canvas, cells(19.45, 14.35), 33.0, 152);
}

fn collapse(canvas: &mut Canvas, rng: &mut Rng) {
    let stone = rgb(0x787064);
    for (x, y, wide, high, count) in [
        (30.3, 1.8, 110.0, 120.0, 90),
        (26.0, 1.5, 120.0, 60.0, 60),
        (30.4, 6.6, 90.0, 190.0, 90),
        (25.0, 7.9, 90.0, 70.0, 34),
        (27.5, 10.0, 60.0, 90.0, 44),
        (28.4, 7.9, 150.0, 70.0, 50),
    ] {
        props::rubble(canvas, rng, cells(x, y), (wide, high), count, stone);
    }
    for (x, y, size) in [
        (27.2, 3.4, 44.0),
        (29.1, 5.3, 52.0),
        (28.1, 6.1, 34.0),
        (29.5, 3.0, 38.0),
        (26.5, 5.2, 30.0),
    ] {
        props::rock(
            canvas,
            cells(x, y),
            size,
            34.0,
            shade(stone, 0.9),
            (size * 3.0) as u32,
        );
    }
    props::pillar(canvas, cells(25.2, 2.9), 95);
    fallen_pillar(canvas, cells(26.2, 6.5), 0.5);
}

/// Drums of a toppled column, half in the water.
fn fallen_pillar(canvas: &mut Canvas, at: Point, angle: f32) {
    for drum in 0..4 {
        let centre = placed(
            (
                (drum as f32 - 1.5) * 66.0,
                9.0 * ((drum * 7 % 3) as f32 - 1.0),
            ),
            at,
            angle,
        );
        let turn = angle + 0.13 * ((drum * 5 % 3) as f32 - 1.0);
        canvas.stamp(centre, 60.0, |p, _| {
            let q = crate::shapes::local(p, centre, turn);
            let d = slab(q, (0.0, 0.0), (30.0, 33.0), 4.0) + fractal(p.0, p.1, 17.0, 3, 97) * 2.5;
            let round = (1.0 - (q.1 / 35.0).powi(2)).max(0.0).sqrt();
            let flute = (q.1 * 0.75).sin() * 1.3;
            let rough = fractal(p.0, p.1, 26.0, 4, 98);
            let color = shade(rgb(0x8b8375), 0.85 + 0.22 * rough + 0.06 * flute);
            Ink::solid(color, -6.0 + 46.0 * round + flute + rough * 2.0).inside(d)
        });
    }
}

fn shrine(canvas: &mut Canvas, rng: &mut Rng) {
    let at = cells(27.5, 14.0);
    dais(canvas, at);
    props::sarcophagus(canvas, at, 0.0, 1.12, false, 160);
    for (x, y) in [(25.5, 12.6), (29.5, 12.6), (25.5, 15.4), (29.5, 15.4)] {
        props::brazier(canvas, cells(x, y), (x * y) as u32);
    }
    props::candles(canvas, rng, cells(27.5, 16.4), 9);
    props::candles(canvas, rng, cells(26.6, 16.5), 5);
    props::candles(canvas, rng, cells(28.4, 16.5), 5);
    props::bone_pile(canvas, rng, cells(30.3, 14.0), 60.0, 10);
}

fn doors(canvas: &mut Canvas) {
    let up = std::f32::consts::FRAC_PI_2;
    let single = [
        (4.5, 5.5, 0.0, 1.1),
        (5.5, 12.5, 0.0, 0.0),
        (22.5, 7.5, up, up),
    ];
    for (i, (x, y, frame, leaf)) in single.into_iter().enumerate() {
        let at = cells(x, y);
        props::door_posts(canvas, at, frame, 60.0, 170 + i as u32);
        // An open leaf still hangs on its post.
        let hinge = placed((-44.0, 0.0), at, frame);
        let centre = placed((44.0, 0.0), hinge, leaf);
        props::door_leaf(canvas, centre, leaf, 44.0, 180 + i as u32);
    }
    let double = [
        (8.5, 9.0, up, -0.95),
        (16.0, 4.5, 0.0, 0.0),
        (16.0, 13.5, 0.0, 0.0),
        (23.0, 12.0, up, 0.0),
    ];
    for (i, (x, y, frame, swing)) in double.into_iter().enumerate() {
        let at = cells(x, y);
        props::door_posts(canvas, at, frame, 120.0, 190 + i as u32);
        for side in [-1.0, 1.0] {
            let hinge = placed((side * 106.0, 0.0), at, frame);
            let leaf = frame + swing * side;
            let centre = placed((-side * 52.0, 0.0), hinge, leaf);
            props::door_leaf(canvas, centre, leaf, 52.0, 200 + i as u32);
        }
    }
}

fn litter(canvas: &mut Canvas, rng: &mut Rng) {
    let stone = rgb(0x746c60);
    for (x, y, size, count) in [
        (6.4, 11.4, 60.0, 26),
        (1.5, 6.5, 50.0, 18),
        (10.6, 12.4, 60.0, 26),
        (21.4, 5.6, 60.0, 28),
        (18.3, 11.2, 70.0, 16),
        (14.2, 6.9, 60.0, 14),
        (9.3, 8.4, 40.0, 10),
        (24.9, 16.0, 40.0, 12),
        (8.4, 1.4, 40.0, 12),
        (12.4, 3.6, 40.0, 12),
    ] {
        props::rubble(canvas, rng, cells(x, y), (size, size), count, stone);
    }
    props::skeleton(canvas, cells(19.2, 8.0), 2.3, 1.0, 122);
    props::skeleton(canvas, cells(5.6, 7.1), -0.5, 0.98, 123);
    props::bone_pile(canvas, rng, cells(12.8, 11.9), 70.0, 8);
    props::barrel(canvas, cells(6.5, 6.5), 34.0, 153);
    props::barrel(canvas, cells(6.45, 7.15), 31.0, 154);
    props::crate_box(canvas, cells(5.75, 6.45), 0.12, 36.0, 155);
}

fn corners(canvas: &mut Canvas) {
    for (x, y, right, down) in [
        (2.0, 1.0, 1.0, 1.0),
        (9.0, 5.0, -1.0, -1.0),
        (10.0, 5.0, 1.0, 1.0),
        (22.0, 13.0, -1.0, -1.0),
        (12.0, 4.0, 1.0, -1.0),
        (20.0, 17.0, -1.0, -1.0),
        (1.0, 12.0, 1.0, -1.0),
        (9.0, 13.0, -1.0, 1.0),
    ] {
        props::cobweb(canvas, cells(x, y), right, down, 115.0);
    }
}

/// Torches on the walls: place in cells and direction into the room.
const TORCHES: [(f32, f32, f32); 12] = [
    (3.5, 6.0, 1.0),
    (3.5, 12.0, -1.0),
    (5.0, 1.0, 1.0),
    (8.0, 5.0, -1.0),
    (12.75, 5.0, 1.0),
    (19.25, 5.0, 1.0),
    (12.75, 13.0, -1.0),
    (19.25, 13.0, -1.0),
    (4.0, 17.0, -1.0),
    (7.2, 13.0, 1.0),
    (16.0, 17.0, -1.0),
    (16.0, 1.0, 1.0),
];

fn lamps(canvas: &mut Canvas) -> Vec<Lamp> {
    let fire: Rgb = [1.0, 0.52, 0.2];
    let mut lamps = Vec::new();
    for (i, (x, y, into)) in TORCHES.into_iter().enumerate() {
        let at = cells(x, y);
        props::torch(
            canvas,
            at,
            into * std::f32::consts::FRAC_PI_2,
            210 + i as u32,
        );
        lamps.push(Lamp {
            at: (at.0, at.1 + into * 24.0),
            height: 70.0,
            reach: 640.0,
            color: shade(fire, 2.0),
        });
    }
    for (x, y) in [(25.5, 12.6), (29.5, 12.6), (25.5, 15.4), (29.5, 15.4)] {
        lamps.push(Lamp {
            at: cells(x, y),
            height: 64.0,
            reach: 520.0,
            color: shade([1.0, 0.46, 0.16], 1.5),
        });
    }
    for (x, y, power) in [(4.5, 1.4, 0.7), (19.6, 3.6, 0.7), (27.5, 16.3, 0.8)] {
        lamps.push(Lamp {
            at: cells(x, y),
            height: 40.0,
            reach: 300.0,
            color: shade([1.0, 0.62, 0.28], power),
        });
    }
    // The circle, the daylight on the stairs and the moon over the pool.
    lamps.push(Lamp {
        at: CIRCLE,
        height: 60.0,
        reach: 640.0,
        color: [0.14, 0.95, 0.72],
    });
    lamps.push(Lamp {
        at: cells(1.1, 9.0),
        height: 150.0,
        reach: 620.0,
        color: [0.4, 0.52, 0.7],
    });
    lamps.push(Lamp {
        at: cells(28.3, 4.2),
        height: 230.0,
        reach: 1250.0,
        color: [0.85, 1.15, 1.5],
    });
    lamps
}

/// Draws the finished crypt as 8-bit RGB pixels.
pub fn draw() -> Vec<u8> {
    let mut canvas = Canvas::new(ground);
    furnish(&mut canvas);
    let lamps = lamps(&mut canvas);
    let lighting = Lighting {
        ambient: [0.15, 0.16, 0.205],
        sun: Sun {
            towards: unit([-0.55, -0.7, 0.9]),
            color: [0.2, 0.21, 0.26],
            reach: 110.0,
            softness: 0.35,
        },
        lamps,
        hollow: 1.0,
        relief: 0.85,
        vivid: 0.96,
        vignette: 0.45,
    };
    crate::light::render(&canvas, &lighting)
}

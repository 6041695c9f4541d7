//! Signed distances to simple outlines: negative inside, positive outside.

/// A point or vector on the picture, in pixels.
pub type Point = (f32, f32);

/// Distance to the rim of a circle.
pub fn circle(p: Point, centre: Point, radius: f32) -> f32 {
    (p.0 - centre.0).hypot(p.1 - centre.1) - radius
}

/// Distance to a rectangle given by centre and half size, its corners rounded.
pub fn slab(p: Point, centre: Point, half: Point, round: f32) -> f32 {
    let dx = (p.0 - centre.0).abs() - half.0 + round;
    let dy = (p.1 - centre.1).abs() - half.1 + round;
    dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - round
}

/// How far along the line from `a` to `b` (0 to 1) a point's foot lies, and
/// its distance from the line.
pub fn along(p: Point, a: Point, b: Point) -> (f32, f32) {
    let (vx, vy) = (b.0 - a.0, b.1 - a.1);
    let length = (vx * vx + vy * vy).max(1e-6);
    let t = (((p.0 - a.0) * vx + (p.1 - a.1) * vy) / length).clamp(0.0, 1.0);
    (t, (p.0 - a.0 - vx * t).hypot(p.1 - a.1 - vy * t))
}

/// Distance to a bar with round ends.
pub fn bar(p: Point, a: Point, b: Point, radius: f32) -> f32 {
    along(p, a, b).1 - radius
}

/// Expresses a point in the frame of something placed at `origin` and turned
/// by `angle` (radians).
pub fn local(p: Point, origin: Point, angle: f32) -> Point {
    let (dx, dy) = (p.0 - origin.0, p.1 - origin.1);
    let (s, c) = angle.sin_cos();
    (dx * c + dy * s, dy * c - dx * s)
}

/// The reverse of [`local`].
pub fn placed(p: Point, origin: Point, angle: f32) -> Point {
    let (s, c) = angle.sin_cos();
    (origin.0 + p.0 * c - p.1 * s, origin.1 + p.0 * s + p.1 * c)
}

/// Smoothly bends a line through the given points and returns closely spaced
/// points on it.
pub fn curve(through: &[Point], steps: usize) -> Vec<Point> {
    let at = |i: isize| {
        let last = through.len() as isize - 1;
        through[i.clamp(0, last) as usize]
    };
    let mut line = Vec::with_capacity(through.len() * steps);
    for i in 0..through.len().saturating_sub(1) as isize {
        let (a, b, c, d) = (at(i - 1), at(i), at(i + 1), at(i + 2));
        for step in 0..steps {
            let t = step as f32 / steps as f32;
            line.push((bend(a.0, b.0, c.0, d.0, t), bend(a.1, b.1, c.1, d.1, t)));
        }
    }
    line.extend(through.last());
    line
}

fn bend(a: f32, b: f32, c: f32, d: f32, t: f32) -> f32 {
    0.5 * (2.0 * b
        + (c - a) * t
        + (2.0 * a - 5.0 * b + 4.0 * c - d) * t * t
        + (3.0 * b - a - 3.0 * c + d) * t * t * t)
}

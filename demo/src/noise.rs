//! Repeatable randomness: a small generator for placing things and lattice
//! noise for everything that must vary smoothly across the picture.

/// A tiny seeded generator (split-mix), so that every run draws the same table.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Starts a stream; different seeds give unrelated streams.
    pub fn new(seed: u64) -> Self {
        Self(seed ^ 0x5bd1_e995_9d1c_3a47)
    }

    /// The next 64 raw bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0.0..1.0`.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / 16_777_216.0
    }

    /// A number between the two ends.
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// A number around zero, in `-1.0..1.0`, with small values likelier.
    pub fn bell(&mut self) -> f32 {
        (self.unit() + self.unit() + self.unit()) / 1.5 - 1.0
    }

    /// A whole number below `n` (which must not be zero).
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n.max(1) as u64) as usize
    }
}

/// Mixes lattice coordinates into evenly spread bits.
pub fn hash(x: i32, y: i32, seed: u32) -> u32 {
    let mut h = (x as u32)
        .wrapping_mul(0x85eb_ca6b)
        .wrapping_add((y as u32).wrapping_mul(0xc2b2_ae35))
        ^ seed.wrapping_mul(0x27d4_eb2f);
    h ^= h >> 15;
    h = h.wrapping_mul(0x2c1b_3c6d);
    h ^= h >> 12;
    h = h.wrapping_mul(0x297a_2d39);
    h ^ (h >> 15)
}

/// The lattice hash as a number in `0.0..1.0`.
pub fn hash_unit(x: i32, y: i32, seed: u32) -> f32 {
    (hash(x, y, seed) >> 8) as f32 / 16_777_216.0
}

fn slope(x: i32, y: i32, seed: u32, dx: f32, dy: f32) -> f32 {
    // Eight directions are enough to hide the lattice and need no trigonometry.
    const D: f32 = std::f32::consts::FRAC_1_SQRT_2;
    match hash(x, y, seed) & 7 {
        0 => dx,
        1 => -dx,
        2 => dy,
        3 => -dy,
        4 => D * (dx + dy),
        5 => D * (dx - dy),
        6 => D * (dy - dx),
        _ => -D * (dx + dy),
    }
}

/// Gradient noise in about `-1.0..1.0`, one feature per unit of distance.
pub fn gradient(x: f32, y: f32, seed: u32) -> f32 {
    let (fx, fy) = (x.floor(), y.floor());
    let (ix, iy) = (fx as i32, fy as i32);
    let (dx, dy) = (x - fx, y - fy);
    let u = dx * dx * dx * (dx * (dx * 6.0 - 15.0) + 10.0);
    let v = dy * dy * dy * (dy * (dy * 6.0 - 15.0) + 10.0);
    let a = slope(ix, iy, seed, dx, dy);
    let b = slope(ix + 1, iy, seed, dx - 1.0, dy);
    let c = slope(ix, iy + 1, seed, dx, dy - 1.0);
    let d = slope(ix + 1, iy + 1, seed, dx - 1.0, dy - 1.0);
    let top = a + (b - a) * u;
    let bottom = c + (d - c) * u;
    ((top + (bottom - top) * v) * 1.5).clamp(-1.0, 1.0)
}

/// Several octaves of gradient noise in about `-1.0..1.0`; `size` is the
/// width in pixels of the largest feature.
pub fn fractal(x: f32, y: f32, size: f32, octaves: u32, seed: u32) -> f32 {
    let (mut sum, mut gain, mut total, mut scale) = (0.0, 1.0, 0.0, 1.0 / size);
    for octave in 0..octaves {
        sum += gain * gradient(x * scale, y * scale, seed.wrapping_add(octave * 101));
        total += gain;
        gain *= 0.5;
        scale *= 2.03;
    }
    (sum / total * 1.35).clamp(-1.0, 1.0)
}

/// Which stone of an irregular field a point lies on.
#[derive(Clone, Copy, Debug)]
pub struct Stone {
    /// Even across one stone, different for each.
    pub id: u32,
    /// Distance to the joint with the neighbouring stone, in stone widths.
    pub joint: f32,
    /// Offset from the stone's centre, in stone widths.
    pub from_centre: (f32, f32),
}

/// Cuts the plane into irregular stones of about `size` pixels.
pub fn stones(x: f32, y: f32, size: f32, seed: u32) -> Stone {
    let (px, py) = (x / size, y / size);
    let (ix, iy) = (px.floor() as i32, py.floor() as i32);
    let (mut near, mut second) = (9.0_f32, 9.0_f32);
    let (mut id, mut from_centre) = (0, (0.0, 0.0));
    for oy in -1..=1 {
        for ox in -1..=1 {
            let (cx, cy) = (ix + ox, iy + oy);
            let qx = cx as f32 + 0.15 + 0.7 * hash_unit(cx, cy, seed);
            let qy = cy as f32 + 0.15 + 0.7 * hash_unit(cx, cy, seed ^ 0x55);
            let (dx, dy) = (px - qx, py - qy);
            let d = (dx * dx + dy * dy).sqrt();
            if d < near {
                second = near;
                near = d;
                id = hash(cx, cy, seed ^ 0xabcd);
                from_centre = (dx, dy);
            } else if d < second {
                second = d;
            }
        }
    }
    Stone {
        id,
        joint: (second - near) * 0.5,
        from_centre,
    }
}

/// A number in `0.0..1.0` belonging to a stone or slab.
pub fn unit_of(id: u32, salt: u32) -> f32 {
    hash_unit(id as i32, salt as i32, 0x77)
}

/// The usual smooth step between two edges.
pub fn smooth(low: f32, high: f32, value: f32) -> f32 {
    let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractal_noise_stays_in_range_and_varies() {
        let samples: Vec<f32> = (0..4000)
            .map(|i| fractal(i as f32 * 3.7, i as f32 * -1.3, 64.0, 5, 9))
            .collect();
        assert!(samples.iter().all(|v| (-1.0..=1.0).contains(v)));
        let high = samples.iter().cloned().fold(f32::MIN, f32::max);
        let low = samples.iter().cloned().fold(f32::MAX, f32::min);
        assert!(high - low > 0.5);
    }

    #[test]
    fn the_same_seed_gives_the_same_stream() {
        let (mut a, mut b) = (Rng::new(4), Rng::new(4));
        assert!((0..100).all(|_| a.bits() == b.bits()));
    }
}

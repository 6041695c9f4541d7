//! Grass, flowers, bushes and trees, built leaf by leaf from above.

use crate::canvas::{Canvas, Ink, Rgb, mix, rgb, shade};
use crate::noise::{Rng, fractal, gradient, smooth, unit_of};
use crate::shapes::{Point, along, bar, circle, local, placed};

/// One blade of grass lying over the ground.
pub fn blade(canvas: &mut Canvas, rng: &mut Rng, at: Point, size: f32) {
    let turn = -1.57 + rng.bell() * 1.5 + gradient(at.0 / 160.0, at.1 / 160.0, 3) * 0.9;
    let length = rng.range(7.0, 17.0) * size;
    let tip = placed((length, 0.0), at, turn);
    let tone = rng.range(0.74, 1.42);
    canvas.stamp(at, length + 3.0, |p, ground| {
        let (t, d) = along(p, at, tip);
        let wide = 1.5 * size * (1.0 - t) + 0.35;
        let cover = smooth(wide + 0.6, wide - 0.6, d) * 0.75;
        let x = (p.0.max(0.0), p.1.max(0.0));
        let dry = 0.5 + 0.5 * fractal(x.0, x.1, 500.0, 2, 11);
        let green = mix(rgb(0x4d6e2b), rgb(0x8c9142), dry * 0.8);
        (cover > 0.01).then(|| {
            Ink::solid(shade(green, tone * (0.72 + 0.5 * t)), ground + 3.5 * t).veiled(cover)
        })
    });
}

/// A clump of long grass fanning out.
pub fn tuft(canvas: &mut Canvas, rng: &mut Rng, at: Point, size: f32) {
    let lean = rng.range(0.0, 6.3);
    for _ in 0..16 {
        let turn = lean + rng.bell() * 2.6;
        let length = rng.range(12.0, 25.0) * size;
        let root = (
            at.0 + rng.bell() * 5.0 * size,
            at.1 + rng.bell() * 5.0 * size,
        );
        let tip = placed((length, rng.bell() * 6.0), root, turn);
        let tone = rng.range(0.7, 1.35);
        canvas.stamp(root, length + 4.0, |p, ground| {
            let (t, d) = along(p, root, tip);
            let wide = 2.3 * (1.0 - t) + 0.4;
            let cover = smooth(wide + 0.6, wide - 0.6, d);
            let color = shade(mix(rgb(0x567430), rgb(0x97a352), t), tone);
            (cover > 0.01)
                .then(|| Ink::solid(color, ground.min(14.0) + 2.0 + 5.0 * t).veiled(cover * 0.95))
        });
    }
}

/// A flower of five petals.
pub fn flower(canvas: &mut Canvas, rng: &mut Rng, at: Point, hue: Rgb) {
    let (radius, turn) = (rng.range(4.0, 6.5), rng.range(0.0, 6.3));
    let tone = rng.range(0.8, 1.1);
    canvas.stamp(at, radius * 1.6, |p, ground| {
        let q = local(p, at, turn);
        let petals = (q.1.atan2(q.0) * 2.5).cos().abs();
        let d = q.0.hypot(q.1) - radius * (0.55 + 0.5 * petals);
        let heart = smooth(0.5, -0.5, circle(q, (0.0, 0.0), radius * 0.32));
        let color = mix(
            shade(hue, tone * (0.75 + 0.25 * petals)),
            rgb(0xe0a02a),
            heart,
        );
        Ink::solid(color, ground + 6.0 + heart * 2.0).inside(d)
    });
}

/// One leaf: a pointed oval with a fold along its middle.
fn leaf(canvas: &mut Canvas, at: Point, turn: f32, length: f32, height: f32, color: Rgb) {
    canvas.stamp(at, length + 1.0, |p, ground| {
        let q = local(p, at, turn);
        let t = (q.0 / length).clamp(-1.0, 1.0);
        let wide = length * 0.52 * (1.0 - t * t);
        let d = q.1.abs() - wide;
        let top = height + 2.2 * (1.0 - q.1.abs() / (wide + 1.0)) + t * 2.0;
        // Leaves that would lie underneath what is already there stay hidden.
        if top < ground - 9.0 {
            return None;
        }
        let vein = 1.0 - 0.22 * smooth(1.3, 0.3, q.1.abs());
        Ink::solid(shade(color, vein * (1.0 + 0.12 * t)), top).inside(d.max(q.0.abs() - length))
    });
}

/// How far a point lies on the sunny side of another, in pixels.
fn sunny(p: Point, centre: Point) -> f32 {
    (centre.0 - p.0) * 0.78 + (centre.1 - p.1) * 0.63
}

/// A dome of leaves; lower ones first, so that each layer lies on the last.
struct Crown {
    at: Point,
    radius: f32,
    foot: f32,
    rise: f32,
    leaf: f32,
    dark: Rgb,
    light: Rgb,
}

impl Crown {
    fn draw(&self, canvas: &mut Canvas, rng: &mut Rng) {
        let seed = rng.bits() as u32;
        self.shade_below(canvas, seed);
        let mut clumps = self.clumps(rng);
        clumps.sort_by(|a, b| a.1.total_cmp(&b.1));
        for (at, top, size) in clumps {
            self.clump(canvas, rng, at, top, size);
        }
    }

    /// The dark inside of the crown, seen between the leaves.
    fn shade_below(&self, canvas: &mut Canvas, seed: u32) {
        canvas.stamp(self.at, self.radius * 1.1, |p, ground| {
            let d = circle(p, self.at, self.radius * 0.74)
                + fractal(p.0, p.1, self.radius * 0.5, 4, seed) * self.radius * 0.2;
            let dome = (1.0 - (circle(p, self.at, 0.0) / self.radius).powi(2))
                .max(0.0)
                .sqrt();
            let height = (self.foot + self.rise * dome * 0.6).max(ground);
            Ink::solid(shade(self.dark, 0.5), height).inside(d)
        });
    }

    /// Where bunches of twigs end: place, height and size.
    fn clumps(&self, rng: &mut Rng) -> Vec<(Point, f32, f32)> {
        let count = (self.radius / 5.4) as usize + 8;
        (0..count)
            .map(|i| {
                // Sunflower order spreads the bunches evenly over the crown.
                let share = (i as f32 + 0.5) / count as f32;
                let reach = share.sqrt() * self.radius * 0.86;
                let turn = i as f32 * 2.399_963 + rng.bell() * 0.4;
                let at = placed(
                    (reach + rng.bell() * self.radius * 0.07, 0.0),
                    self.at,
                    turn,
                );
                let dome = (1.0 - share).sqrt();
                let top =
                    self.foot + self.rise * (0.25 + 0.75 * dome) + rng.bell() * self.rise * 0.12;
                (at, top, self.radius * rng.range(0.19, 0.30))
            })
            .collect()
    }

    fn clump(&self, canvas: &mut Canvas, rng: &mut Rng, at: Point, top: f32, size: f32) {
        let tint = rng.range(0.0, 1.0);
        let count = (size * size / (self.leaf * self.leaf) * 2.3) as usize + 6;
        for i in 0..count {
            let share = 1.0 - i as f32 / count as f32;
            let reach = share.sqrt() * size * rng.range(0.75, 1.08);
            let turn = i as f32 * 2.399_963;
            let p = placed((reach, 0.0), at, turn);
            let dome = (1.0 - share * 0.9).max(0.0).sqrt();
            let height = top - size * 1.15 * (1.0 - dome);
            let whole = sunny(p, self.at) / self.radius;
            let bunch = sunny(p, at) / size;
            let light =
                0.12 + 0.36 * dome + 0.22 * tint + 0.34 * whole + 0.16 * bunch + rng.bell() * 0.14;
            let color = shade(mix(self.dark, self.light, light), rng.range(0.86, 1.14));
            leaf(
                canvas,
                p,
                turn + rng.bell(),
                self.leaf * rng.range(0.75, 1.25),
                height,
                color,
            );
        }
    }
}

/// A low bush, sometimes with berries.
pub fn bush(canvas: &mut Canvas, rng: &mut Rng, at: Point, radius: f32) {
    let palettes = [
        (0x2c4a20, 0x6f8d38),
        (0x354d24, 0x868f3e),
        (0x28462a, 0x5c864a),
    ];
    let (dark, light) = palettes[rng.below(palettes.len())];
    for _ in 0..3 {
        let crown = Crown {
            at: (
                at.0 + rng.bell() * radius * 0.7,
                at.1 + rng.bell() * radius * 0.7,
            ),
            radius: radius * rng.range(0.6, 1.0),
            foot: 6.0,
            rise: radius * 0.6,
            leaf: 6.0,
            dark: rgb(dark),
            light: rgb(light),
        };
        crown.draw(canvas, rng);
    }
}

/// A broad-leaved tree.
pub fn tree(canvas: &mut Canvas, rng: &mut Rng, at: Point, radius: f32) {
    let palettes = [
        (0x233f1a, 0x6b9234),
        (0x2a451c, 0x849838),
        (0x1f3e22, 0x578a3e),
        (0x30441c, 0x8c923e),
        (0x22421c, 0x749a3c),
        (0x2b4724, 0x7a9048),
        (0x3c451c, 0xa09340),
    ];
    let (dark, light) = palettes[rng.below(palettes.len())];
    let crown = Crown {
        at,
        radius,
        foot: 46.0,
        rise: radius * 0.62,
        leaf: rng.range(6.3, 8.3),
        dark: rgb(dark),
        light: rgb(light),
    };
    crown.draw(canvas, rng);
}

/// What is left of a felled tree: yearly rings, bark and spreading roots.
pub fn stump(canvas: &mut Canvas, at: Point, radius: f32, seed: u32) {
    for k in 0..6 {
        let turn = (k as f32 + unit_of(seed, k)) * 1.05;
        let tip = placed((radius * (1.5 + 0.5 * unit_of(seed, 9 + k)), 0.0), at, turn);
        canvas.stamp(at, radius * 2.4, |p, ground| {
            let (t, _) = along(p, at, tip);
            let d = bar(p, at, tip, radius * (0.36 - 0.28 * t));
            let bark = fractal(p.0, p.1, 16.0, 3, seed);
            let color = shade(rgb(0x624b35), 1.0 + 0.35 * bark);
            Ink::solid(
                color,
                (ground + 16.0 * (1.0 - t) - d.max(-9.0) + bark).max(ground),
            )
            .inside(d)
        });
    }
    canvas.stamp(at, radius * 1.3, |p, _| {
        let bump = fractal(p.0, p.1, radius, 3, seed ^ 1) * radius * 0.14;
        let d = circle(p, at, radius) + bump;
        let rings = ((d + bump) * 1.1).sin() * 0.13;
        let turn = (p.1 - at.1).atan2(p.0 - at.0);
        let split = smooth(0.05, 0.01, (turn - 0.8).abs()) * 0.5;
        let cut = smooth(-4.0, -7.0, d);
        let color = mix(
            rgb(0x5a4430),
            shade(rgb(0xc29f6c), 1.0 + rings - split),
            cut,
        );
        Ink::solid(color, 30.0 - 4.0 * smooth(-7.0, 0.0, d)).inside(d)
    });
}

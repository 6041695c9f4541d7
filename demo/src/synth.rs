//! Sound building blocks: stereo tape, filters, reverb and single voices.

use crate::noise::{Rng, smooth};
use std::f32::consts::TAU;

/// Samples per second of every sound.
pub const RATE: f32 = 44_100.0;

/// What happens to a voice that runs past the end of the tape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tape {
    /// The tape is a ring: the rest is heard at the beginning.
    Loop,
    /// The tape ends; whatever is left is cut (and faded).
    Once,
}

/// A two-channel recording.
#[derive(Clone, Debug)]
pub struct Sound {
    /// Left samples.
    pub left: Vec<f32>,
    /// Right samples.
    pub right: Vec<f32>,
    tape: Tape,
}

impl Sound {
    /// Silence of the given length.
    pub fn silence(seconds: f32, tape: Tape) -> Self {
        let length = (seconds * RATE) as usize;
        Self {
            left: vec![0.0; length],
            right: vec![0.0; length],
            tape,
        }
    }

    /// Number of samples per channel.
    pub fn len(&self) -> usize {
        self.left.len()
    }

    /// Mixes in a voice starting at `at` seconds; `pan` runs from -1 (left)
    /// to 1 (right).
    pub fn play(&mut self, at: f32, pan: f32, voice: &[f32]) {
        let start = (at * RATE) as usize;
        // Equal power keeps a voice as loud in the middle as at the sides.
        let (right, left) = ((pan + 1.0) * TAU / 8.0).sin_cos();
        for (i, sample) in voice.iter().enumerate() {
            let place = match self.tape {
                Tape::Loop => (start + i) % self.left.len(),
                Tape::Once if start + i < self.left.len() => start + i,
                Tape::Once => break,
            };
            self.left[place] += sample * left;
            self.right[place] += sample * right;
        }
    }

    /// Adds another sound of the same length.
    pub fn add(&mut self, other: &Sound, gain: f32) {
        for (to, from) in self.left.iter_mut().zip(&other.left) {
            *to += from * gain;
        }
        for (to, from) in self.right.iter_mut().zip(&other.right) {
            *to += from * gain;
        }
    }

    /// Sends both channels through a process that has a memory. A ring is
    /// played twice and only the second round kept: by then the process is
    /// in the state in which the round also ends, so the seam is inaudible.
    pub fn process(&mut self, mut step: impl FnMut(usize, f32, f32) -> (f32, f32)) {
        if self.tape == Tape::Loop {
            for i in 0..self.len() {
                step(i, self.left[i], self.right[i]);
            }
        }
        for i in 0..self.len() {
            (self.left[i], self.right[i]) = step(i, self.left[i], self.right[i]);
        }
    }

    /// The room's answer to this sound, without the sound itself.
    pub fn reverberation(&self, seconds: f32, brightness: f32) -> Sound {
        let mut wet = self.clone();
        let mut room = Room::new(seconds, brightness);
        wet.process(|_, l, r| room.step(l, r));
        wet
    }

    /// Removes the constant offset and the inaudible lowest frequencies.
    pub fn without_rumble(mut self) -> Self {
        let (mut l, mut r) = (Filter::new(24.0, 0.7), Filter::new(24.0, 0.7));
        self.process(|_, a, b| (l.step(a).high, r.step(b).high));
        self
    }

    /// Brings the loudest sample to the given level below full scale.
    pub fn levelled(mut self, decibels: f32) -> Self {
        let peak = self
            .left
            .iter()
            .chain(&self.right)
            .fold(1e-9_f32, |p, v| p.max(v.abs()));
        let gain = 10.0_f32.powf(decibels / 20.0) / peak;
        self.left
            .iter_mut()
            .chain(&mut self.right)
            .for_each(|v| *v *= gain);
        self
    }

    /// Fades both ends of a single-shot sound to silence.
    pub fn faded(mut self, into: f32, out: f32) -> Self {
        let (length, into, out) = (self.len() as f32, into * RATE, out * RATE);
        for channel in [&mut self.left, &mut self.right] {
            for (i, v) in channel.iter_mut().enumerate() {
                let i = i as f32;
                *v *= smooth(0.0, into, i) * smooth(0.0, out, length - 1.0 - i);
            }
        }
        self
    }

    /// Rounds off peaks gently, as a driven loudspeaker would.
    pub fn driven(mut self, gain: f32) -> Self {
        self.left
            .iter_mut()
            .chain(&mut self.right)
            .for_each(|v| *v = (*v * gain).tanh());
        self
    }

    /// How much larger the step over the loop's seam is than the largest step
    /// inside it (at most one for a seamless loop).
    #[cfg(test)]
    pub fn seam(&self) -> f32 {
        let inner = self
            .left
            .windows(2)
            .fold(0.0_f32, |m, w| m.max((w[1] - w[0]).abs()));
        (self.left[0] - self.left[self.len() - 1]).abs() / inner
    }
}

/// The three outputs of a [`Filter`].
#[derive(Clone, Copy, Debug)]
pub struct Bands {
    /// Below the corner.
    pub low: f32,
    /// Around the corner.
    pub band: f32,
    /// Above the corner.
    pub high: f32,
}

/// A resonant filter whose corner may be moved while it runs.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    g: f32,
    k: f32,
    first: f32,
    second: f32,
}

impl Filter {
    /// A filter at a corner frequency; a larger `resonance` rings longer.
    pub fn new(corner: f32, resonance: f32) -> Self {
        let mut filter = Self {
            g: 0.0,
            k: 1.0 / resonance,
            first: 0.0,
            second: 0.0,
        };
        filter.tune(corner);
        filter
    }

    /// Moves the corner frequency.
    pub fn tune(&mut self, corner: f32) {
        self.g = (TAU / 2.0 * corner.clamp(5.0, RATE * 0.45) / RATE).tan();
    }

    /// Takes one sample.
    pub fn step(&mut self, input: f32) -> Bands {
        let high = (input - (self.k + self.g) * self.first - self.second)
            / (1.0 + self.g * (self.g + self.k));
        let band = self.g * high + self.first;
        let low = self.g * band + self.second;
        self.first = self.g * high + band;
        self.second = self.g * band + low;
        Bands {
            low,
            band: band * self.k,
            high,
        }
    }
}

/// A reverberant space: eight delay lines feeding one another.
struct Room {
    lines: Vec<Vec<f32>>,
    gains: Vec<f32>,
    damping: Vec<f32>,
    brightness: f32,
    now: usize,
}

impl Room {
    fn new(seconds: f32, brightness: f32) -> Self {
        // Mutually prime lengths keep the echoes from lining up.
        let lengths = [1423_usize, 1777, 2083, 2477, 2851, 3253, 3709, 4219];
        Self {
            lines: lengths.iter().map(|n| vec![0.0; *n]).collect(),
            gains: lengths
                .iter()
                .map(|n| 10.0_f32.powf(-3.0 * *n as f32 / RATE / seconds))
                .collect(),
            damping: vec![0.0; lengths.len()],
            brightness,
            now: 0,
        }
    }

    fn step(&mut self, left: f32, right: f32) -> (f32, f32) {
        let mut heard = [0.0_f32; 8];
        for (i, line) in self.lines.iter().enumerate() {
            let raw = line[self.now % line.len()] * self.gains[i];
            self.damping[i] += self.brightness * (raw - self.damping[i]);
            heard[i] = self.damping[i];
        }
        let shared = heard.iter().sum::<f32>() * 0.25;
        for (i, line) in self.lines.iter_mut().enumerate() {
            let place = self.now % line.len();
            line[place] = heard[i] - shared + if i % 2 == 0 { left } else { right } * 0.35;
        }
        self.now += 1;
        let sum = |from: usize| {
            (0..4)
                .map(|i| heard[from + 2 * i] * [1.0, -1.0][i % 2])
                .sum()
        };
        (sum(0), sum(1))
    }
}

/// White noise.
pub fn hiss(rng: &mut Rng, seconds: f32) -> Vec<f32> {
    (0..(seconds * RATE) as usize)
        .map(|_| rng.range(-1.0, 1.0))
        .collect()
}

/// A voice described by its wave at each moment: `f(seconds)`.
pub fn voice(seconds: f32, mut f: impl FnMut(f32) -> f32) -> Vec<f32> {
    (0..(seconds * RATE) as usize)
        .map(|i| f(i as f32 / RATE))
        .collect()
}

/// A tone whose pitch and loudness follow the given curves.
pub fn glide(seconds: f32, pitch: impl Fn(f32) -> f32, loudness: impl Fn(f32) -> f32) -> Vec<f32> {
    let mut phase = 0.0_f32;
    voice(seconds, |t| {
        phase = (phase + pitch(t) / RATE).fract();
        (phase * TAU).sin() * loudness(t)
    })
}

/// A struck body: ringing partials given as (frequency, loudness, decay time).
pub fn struck(seconds: f32, partials: &[(f32, f32, f32)]) -> Vec<f32> {
    let mut sum = vec![0.0; (seconds * RATE) as usize];
    for (i, (pitch, loudness, decay)) in partials.iter().enumerate() {
        let start = i as f32 * 1.7;
        for (n, out) in sum.iter_mut().enumerate() {
            let t = n as f32 / RATE;
            *out += (t * pitch % 1.0 * TAU + start).sin() * loudness * (-t * 6.9 / decay).exp();
        }
    }
    soften(&mut sum);
    sum
}

/// Takes the click off a voice's first two milliseconds and last ten.
pub fn soften(voice: &mut [f32]) {
    let length = voice.len() as f32;
    for (i, v) in voice.iter_mut().enumerate() {
        *v *= smooth(0.0, 60.0, i as f32) * smooth(0.0, 441.0, length - i as f32);
    }
}

/// Rises quickly and dies away: 0 at 0, 1 at `attack`, then falling.
pub fn swell(t: f32, attack: f32, decay: f32) -> f32 {
    if t < attack {
        smooth(0.0, attack, t)
    } else {
        (-(t - attack) / decay).exp()
    }
}

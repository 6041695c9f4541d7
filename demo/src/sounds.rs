//! The demo table's sounds: two ambient loops and four effects.

use crate::noise::{Rng, smooth};
use crate::synth::{Filter, RATE, Sound, Tape, glide, hiss, soften, struck, swell, voice};
use std::f32::consts::TAU;

/// Where a sound is stored, what it is called, how finely it is coded and
/// who makes it.
pub struct Piece {
    /// Path below the `sounds` folder.
    pub path: &'static str,
    /// Title tag.
    pub title: &'static str,
    /// Vorbis quality, 0 to 1.
    pub quality: f32,
    /// Produces the samples.
    pub make: fn() -> Sound,
}

/// Every sound of the demo table.
pub const PIECES: [Piece; 6] = [
    Piece {
        path: "loop/Ambience/crypt-drips.ogg",
        title: "Crypt Drips",
        quality: 0.3,
        make: crypt_drips,
    },
    Piece {
        path: "loop/Ambience/forest-day.ogg",
        title: "Forest Day",
        quality: 0.3,
        make: forest_day,
    },
    Piece {
        path: "oneshot/Doors/heavy-door.ogg",
        title: "Heavy Door",
        quality: 0.5,
        make: heavy_door,
    },
    Piece {
        path: "oneshot/Combat/sword-clash.ogg",
        title: "Sword Clash",
        quality: 0.6,
        make: sword_clash,
    },
    Piece {
        path: "oneshot/Magic/fireball.ogg",
        title: "Fireball",
        quality: 0.5,
        make: fireball,
    },
    Piece {
        path: "oneshot/Magic/spell-chime.ogg",
        title: "Spell Chime",
        quality: 0.6,
        make: spell_chime,
    },
];

/// A slow wave that fits a whole number of times into the loop, 0 to 1.
fn tide(i: usize, length: usize, times: f32, start: f32) -> f32 {
    0.5 + 0.5 * ((i as f32 / length as f32 * times + start) * TAU).sin()
}

/// Noise on a ring, one independent stream per channel.
fn noise_bed(rng: &mut Rng, seconds: f32, tape: Tape) -> Sound {
    let mut bed = Sound::silence(seconds, tape);
    (bed.left, bed.right) = (hiss(rng, seconds), hiss(rng, seconds));
    bed
}

const CRYPT_SECONDS: f32 = 36.0;

fn crypt_drips() -> Sound {
    let mut rng = Rng::new(11);
    let mut sound = drone();
    sound.add(&draught(&mut rng), 1.0);
    let mut drips = Sound::silence(CRYPT_SECONDS, Tape::Loop);
    // Three leaks with their own pulse and pitch, and strays in between.
    for (period, pitch, pan, loud) in [
        (4.5, 1350.0, -0.6, 0.5),
        (7.2, 940.0, 0.5, 0.65),
        (12.0, 1900.0, 0.1, 0.35),
    ] {
        let count = (CRYPT_SECONDS / period) as usize;
        for k in 0..count {
            let at = (k as f32 * period + period * (0.3 + 0.22 * rng.bell())).max(0.0);
            let bent = pitch * (1.0 + 0.05 * rng.bell());
            drips.play(at, pan, &drip(bent, loud * rng.range(0.7, 1.0)));
        }
    }
    for _ in 0..11 {
        let (at, pitch) = (rng.range(0.0, CRYPT_SECONDS), rng.range(800.0, 2600.0));
        drips.play(at, rng.range(-0.9, 0.9), &drip(pitch, rng.range(0.1, 0.3)));
    }
    for (at, pan) in [(9.4, 0.7), (27.8, -0.7)] {
        drips.play(at, pan, &distant_thud(&mut rng));
    }
    sound.add(&drips, 0.55);
    sound.add(&drips.reverberation(4.2, 0.42), 1.25);
    sound.without_rumble().levelled(-8.0)
}

/// Low voices in close, slowly beating intervals.
fn drone() -> Sound {
    let mut sound = Sound::silence(CRYPT_SECONDS, Tape::Loop);
    let length = sound.len();
    let voices = [
        (55.0, 0.20, 3.0),
        (55.25, 0.16, 2.0),
        (82.5, 0.12, 4.0),
        (110.1, 0.07, 5.0),
        (130.8, 0.05, 3.0),
        (164.8, 0.03, 7.0),
        (220.3, 0.018, 5.0),
    ];
    for (k, (pitch, loud, times)) in voices.into_iter().enumerate() {
        // Whole numbers of periods per loop make the tone itself seamless.
        let cycles = f64::from((pitch * CRYPT_SECONDS).round());
        let start = k as f32 * 0.37;
        for i in 0..length {
            let phase = (i as f64 / length as f64 * cycles).fract() as f32;
            let wave = (phase * TAU).sin() + 0.25 * (phase * TAU * 2.0 + 0.4).sin();
            let side = tide(i, length, 1.0 + (k % 3) as f32, start * 1.9);
            let gain = loud * (0.35 + 0.65 * tide(i, length, times, start));
            sound.left[i] += wave * gain * (0.4 + 0.6 * side);
            sound.right[i] += wave * gain * (1.0 - 0.6 * side);
        }
    }
    sound
}

/// Air moving through corridors.
fn draught(rng: &mut Rng) -> Sound {
    let mut air = noise_bed(rng, CRYPT_SECONDS, Tape::Loop);
    let length = air.len();
    let mut hollow = [Filter::new(180.0, 2.2), Filter::new(180.0, 2.2)];
    let mut whistle = [Filter::new(520.0, 7.0), Filter::new(520.0, 7.0)];
    let mut step = |i: usize, side: usize, v: f32| {
        let breath = tide(i, length, 4.0, 0.1 + 0.13 * side as f32) * tide(i, length, 7.0, 0.5);
        hollow[side].tune(130.0 + 120.0 * breath);
        whistle[side].tune(430.0 + 240.0 * tide(i, length, 3.0, 0.7));
        hollow[side].step(v).band * (0.16 + 0.45 * breath)
            + whistle[side].step(v).band * 0.07 * breath
    };
    air.process(|i, l, r| (step(i, 0, l), step(i, 1, r)));
    air
}

/// A drop falling into still water: a tick and a bubble rising in pitch.
fn drip(pitch: f32, loud: f32) -> Vec<f32> {
    let mut sound = glide(
        0.32,
        |t| pitch * (1.0 + 0.55 * smooth(0.0, 0.09, t)),
        |t| loud * swell(t, 0.004, 0.035),
    );
    let second = glide(
        0.2,
        |t| pitch * 1.52 * (1.0 + 0.4 * t / 0.2),
        |t| loud * 0.5 * swell(t, 0.003, 0.025),
    );
    for (i, v) in second.iter().enumerate() {
        sound[i + 4200] += v;
    }
    soften(&mut sound);
    sound
}

fn distant_thud(rng: &mut Rng) -> Vec<f32> {
    let mut low = Filter::new(160.0, 0.8);
    let grit = hiss(rng, 1.2);
    let mut n = 0;
    let mut thud = voice(1.2, |t| {
        let noise = low.step(grit.get(n).copied().unwrap_or(0.0)).low;
        n += 1;
        noise * swell(t, 0.03, 0.22) * 0.9 + (TAU * 48.0 * t).sin() * swell(t, 0.02, 0.18) * 0.25
    });
    soften(&mut thud);
    thud
}

const FOREST_SECONDS: f32 = 40.0;

/// Makes up one song.
type Singer = fn(&mut Rng) -> Vec<f32>;

fn forest_day() -> Sound {
    let mut rng = Rng::new(12);
    let mut sound = wind(&mut rng);
    sound.add(&brook(&mut rng), 0.5);
    let mut birds = Sound::silence(FOREST_SECONDS, Tape::Loop);
    let singers: [(Singer, usize, f32, f32); 5] = [
        (warbler, 6, -0.7, 0.20),
        (chiffer, 5, 0.6, 0.16),
        (cuckoo, 3, -0.25, 0.13),
        (triller, 4, 0.85, 0.12),
        (warbler, 4, 0.2, 0.07),
    ];
    for (k, (sing, times, pan, loud)) in singers.into_iter().enumerate() {
        for turn in 0..times {
            let slot = FOREST_SECONDS / times as f32;
            let at = (turn as f32 + rng.range(0.05, 0.75)) * slot + k as f32 * 0.4;
            let song: Vec<f32> = sing(&mut rng).iter().map(|v| v * loud).collect();
            birds.play(at % FOREST_SECONDS, pan + 0.1 * rng.bell(), &song);
        }
    }
    sound.add(&birds, 0.8);
    sound.add(&birds.reverberation(1.5, 0.35), 0.32);
    sound.without_rumble().levelled(-9.0)
}

/// Wind in the branches and, when it freshens, rustling leaves.
fn wind(rng: &mut Rng) -> Sound {
    let mut air = noise_bed(rng, FOREST_SECONDS, Tape::Loop);
    let length = air.len();
    let mut deep = [Filter::new(260.0, 0.9), Filter::new(260.0, 0.9)];
    let mut leaves = [Filter::new(3600.0, 0.8), Filter::new(3600.0, 0.8)];
    let mut soft = [Filter::new(7000.0, 0.7), Filter::new(7000.0, 0.7)];
    let mut flutter = [Filter::new(9.0, 0.7), Filter::new(9.0, 0.7)];
    let mut step = |i: usize, side: usize, v: f32| {
        let lag = side as f32 * 0.05;
        let gust = tide(i, length, 3.0, 0.2 + lag) * 0.6
            + tide(i, length, 5.0, 0.8 - lag) * 0.3
            + tide(i, length, 11.0, lag) * 0.1;
        deep[side].tune(190.0 + 260.0 * gust);
        let shiver = (flutter[side].step(v).low.abs() * 40.0).min(1.6);
        let rustle = soft[side].step(leaves[side].step(v).band).low;
        deep[side].step(v).low * (0.08 + 0.22 * gust)
            + rustle * gust * gust * (0.05 + 0.12 * shiver)
    };
    air.process(|i, l, r| (step(i, 0, l), step(i, 1, r)));
    air
}

/// A brook not far away: a great many small bubbles.
fn brook(rng: &mut Rng) -> Sound {
    let mut water = Sound::silence(FOREST_SECONDS, Tape::Loop);
    for _ in 0..2600 {
        let pitch = 320.0 * 5.0_f32.powf(rng.unit());
        let length = rng.range(0.03, 0.11);
        let loud = 0.05 * rng.unit().powi(2) + 0.006;
        let rise = rng.range(0.05, 0.5);
        let mut bubble = glide(
            length,
            |t| pitch * (1.0 + rise * t / length),
            |t| loud * swell(t, length * 0.2, length * 0.25),
        );
        soften(&mut bubble);
        water.play(
            rng.range(0.0, FOREST_SECONDS),
            0.3 + 0.5 * rng.bell(),
            &bubble,
        );
    }
    water
}

/// Strings notes `(start, length, from, to, loudness)` together.
fn song(notes: &[(f32, f32, f32, f32, f32)]) -> Vec<f32> {
    let end = notes.iter().fold(0.0_f32, |e, n| e.max(n.0 + n.1));
    let mut out = vec![0.0; (end * RATE) as usize + 2];
    for (start, length, from, to, loud) in notes {
        let tone = glide(
            *length,
            |t| from + (to - from) * smooth(0.0, *length, t),
            |t| loud * (t / length * TAU / 2.0).sin().max(0.0).powf(0.7),
        );
        let first = (start * RATE) as usize;
        for (slot, v) in out[first..].iter_mut().zip(tone) {
            // A little second harmonic makes the whistle a throat.
            *slot += v + 0.18 * v * v * v.signum();
        }
    }
    out
}

fn warbler(rng: &mut Rng) -> Vec<f32> {
    let mut notes = Vec::new();
    let mut at = 0.0;
    for _ in 0..7 + rng.below(6) {
        let length = rng.range(0.05, 0.15);
        let from = rng.range(2500.0, 4300.0);
        notes.push((
            at,
            length,
            from,
            from + rng.bell() * 1300.0,
            rng.range(0.5, 1.0),
        ));
        at += length + rng.range(0.02, 0.09);
    }
    song(&notes)
}

fn chiffer(rng: &mut Rng) -> Vec<f32> {
    let mut notes = Vec::new();
    for k in 0..4 + rng.below(5) {
        let (from, to) = if k % 2 == 0 {
            (5200.0, 3900.0)
        } else {
            (4300.0, 3300.0)
        };
        notes.push((
            k as f32 * 0.29,
            0.11,
            from * rng.range(0.98, 1.02),
            to,
            rng.range(0.7, 1.0),
        ));
    }
    song(&notes)
}

fn triller(rng: &mut Rng) -> Vec<f32> {
    let top = rng.range(4200.0, 5200.0);
    let count = 16 + rng.below(10);
    let notes: Vec<_> = (0..count)
        .map(|k| {
            let share = k as f32 / count as f32;
            (
                k as f32 * 0.055,
                0.042,
                top * (1.0 - 0.25 * share),
                top * (0.86 - 0.25 * share),
                0.4 + 0.6 * share,
            )
        })
        .collect();
    song(&notes)
}

fn cuckoo(rng: &mut Rng) -> Vec<f32> {
    let base = rng.range(505.0, 520.0);
    let mut notes = Vec::new();
    for k in 0..2 + rng.below(2) {
        let at = k as f32 * 1.35;
        notes.push((at, 0.20, base * 1.26, base * 1.24, 0.9));
        notes.push((at + 0.36, 0.32, base, base * 0.985, 1.0));
    }
    song(&notes)
}

fn heavy_door() -> Sound {
    let mut rng = Rng::new(13);
    let mut dry = Sound::silence(3.6, Tape::Once);
    for (at, loud) in [(0.03, 0.7), (0.15, 1.0)] {
        dry.play(at, -0.1, &latch(&mut rng, loud));
    }
    dry.play(0.42, 0.0, &creak(&mut rng, 1.75));
    dry.play(2.22, 0.05, &slam(&mut rng));
    let mut sound = dry.clone();
    sound.add(&dry.reverberation(1.9, 0.4), 0.75);
    sound.without_rumble().levelled(-3.0).faded(0.004, 0.5)
}

fn latch(rng: &mut Rng, loud: f32) -> Vec<f32> {
    let mut clank = struck(
        0.4,
        &[
            (412.0, 0.5, 0.16),
            (987.0, 0.4, 0.12),
            (1730.0, 0.3, 0.10),
            (2891.0, 0.22, 0.08),
            (4120.0, 0.12, 0.06),
        ],
    );
    let click = hiss(rng, 0.03);
    for (i, v) in click.iter().enumerate() {
        clank[i] += v * 0.5 * (1.0 - i as f32 / click.len() as f32).powi(2);
    }
    clank.iter_mut().for_each(|v| *v *= loud * 0.4);
    soften(&mut clank);
    clank
}

/// Hinges that stick and slip: clicks whose rate wanders, heard through the
/// door's own resonances.
fn creak(rng: &mut Rng, seconds: f32) -> Vec<f32> {
    let mut modes = [
        (310.0, 14.0),
        (560.0, 18.0),
        (905.0, 22.0),
        (1480.0, 20.0),
        (2320.0, 16.0),
    ]
    .map(|(f, q)| Filter::new(f, q));
    let mut rub = Filter::new(240.0, 1.0);
    let mut phase = 0.0_f32;
    let mut uneven = 1.0_f32;
    let mut out = voice(seconds, |t| {
        let share = t / seconds;
        let rate = 34.0 + 60.0 * smooth(0.0, 0.5, share) - 48.0 * smooth(0.55, 1.0, share)
            + 9.0 * (t * 11.0).sin();
        phase += rate * uneven / RATE;
        let mut push = 0.0;
        if phase >= 1.0 {
            phase -= 1.0;
            uneven = rng.range(0.8, 1.25);
            push = rng.range(0.5, 1.0);
        }
        let bend = 1.0 + 0.16 * smooth(0.0, 0.5, share) - 0.1 * smooth(0.6, 1.0, share);
        let pitches = [310.0, 560.0, 905.0, 1480.0, 2320.0];
        let ring: f32 = modes
            .iter_mut()
            .zip(pitches)
            .map(|(mode, pitch)| {
                mode.tune(pitch * bend);
                mode.step(push * 12.0).band
            })
            .sum();
        let envelope = smooth(0.0, 0.2, t) * smooth(0.0, 0.3, seconds - t);
        (ring * 0.75 + rub.step(rng.range(-1.0, 1.0)).low * 0.22) * envelope
    });
    soften(&mut out);
    out
}

fn slam(rng: &mut Rng) -> Vec<f32> {
    let mut wood = Filter::new(420.0, 0.8);
    let mut out = struck(
        1.2,
        &[
            (61.0, 1.0, 0.7),
            (94.0, 0.6, 0.5),
            (143.0, 0.45, 0.35),
            (221.0, 0.3, 0.25),
            (390.0, 0.2, 0.15),
        ],
    );
    for (i, v) in out.iter_mut().enumerate() {
        let t = i as f32 / RATE;
        *v = *v * 0.8 + wood.step(rng.range(-1.0, 1.0)).low * 1.4 * swell(t, 0.003, 0.06);
    }
    soften(&mut out);
    out
}

fn sword_clash() -> Sound {
    let mut rng = Rng::new(14);
    let mut dry = Sound::silence(1.9, Tape::Once);
    dry.play(0.01, -0.12, &blade_hit(&mut rng, 1.0, 1.0));
    dry.play(0.035, 0.2, &blade_hit(&mut rng, 1.19, 0.55));
    dry.play(0.09, 0.05, &scrape(&mut rng, 0.5));
    let mut sound = dry.clone();
    sound.add(&dry.reverberation(1.0, 0.7), 0.22);
    sound
        .without_rumble()
        .driven(1.6)
        .levelled(-3.0)
        .faded(0.002, 0.5)
}

/// Steel on steel: a bar's uneven partials, the high ones dying first.
fn blade_hit(rng: &mut Rng, pitch: f32, loud: f32) -> Vec<f32> {
    let ratios = [1.0, 1.51, 2.14, 2.76, 3.63, 4.37, 5.40, 6.61, 7.93, 9.2];
    let partials: Vec<_> = ratios
        .iter()
        .enumerate()
        .flat_map(|(k, ratio)| {
            let f = 905.0 * pitch * ratio * (1.0 + 0.01 * rng.bell());
            let level = 0.42 / (1.0 + 0.16 * k as f32);
            let decay = 1.5 / (1.0 + 0.28 * k as f32);
            // Each partial is split in two that beat against one another.
            [
                (f, level, decay),
                (f * 1.004 + 3.0, level * 0.6, decay * 0.8),
            ]
        })
        .collect();
    let mut out = struck(1.7, &partials);
    let mut bright = Filter::new(3800.0, 0.8);
    for (i, v) in out.iter_mut().enumerate() {
        let t = i as f32 / RATE;
        let burst = bright.step(rng.range(-1.0, 1.0)).high * 1.1 * swell(t, 0.001, 0.018);
        *v = (*v * (0.55 + 0.45 * (-t * 9.0).exp()) + burst) * loud * 0.5;
    }
    soften(&mut out);
    out
}

fn scrape(rng: &mut Rng, seconds: f32) -> Vec<f32> {
    let mut edge = Filter::new(3000.0, 7.0);
    let mut second = Filter::new(5000.0, 9.0);
    let mut out = voice(seconds, |t| {
        let share = t / seconds;
        edge.tune(2600.0 + 2600.0 * share);
        second.tune(4900.0 + 3300.0 * share);
        let grain = rng.range(-1.0, 1.0);
        (edge.step(grain).band + second.step(grain).band * 0.8)
            * smooth(0.0, 0.06, t)
            * (1.0 - share).powi(2)
            * 0.9
    });
    soften(&mut out);
    out
}

fn fireball() -> Sound {
    let mut rng = Rng::new(15);
    let mut dry = Sound::silence(3.6, Tape::Once);
    for pan in [-0.8, 0.8] {
        dry.play(0.0, pan, &whoosh(&mut rng, 0.95));
        dry.play(0.84, pan, &blast(&mut rng));
        dry.play(0.95, pan, &crackle(&mut rng, 2.4));
    }
    let boom = glide(
        1.6,
        |t| 34.0 + 78.0 * (-t * 7.0).exp(),
        |t| 1.25 * swell(t, 0.012, 0.42),
    );
    dry.play(0.84, 0.0, &boom);
    let mut sound = dry.clone().driven(1.1);
    sound.add(&dry.reverberation(2.0, 0.35), 0.35);
    sound.without_rumble().levelled(-3.0).faded(0.02, 0.9)
}

fn whoosh(rng: &mut Rng, seconds: f32) -> Vec<f32> {
    let mut air = Filter::new(200.0, 1.4);
    let mut out = voice(seconds, |t| {
        let share = t / seconds;
        air.tune(170.0 + 1500.0 * share.powf(2.2));
        let flutter = 1.0 + 0.3 * (t * 150.0 + 5.0 * (t * 17.0).sin()).sin();
        air.step(rng.range(-1.0, 1.0)).band
            * flutter
            * share.powf(1.8)
            * 1.5
            * smooth(0.0, 0.08, seconds - t)
    });
    soften(&mut out);
    out
}

fn blast(rng: &mut Rng) -> Vec<f32> {
    let mut fire = Filter::new(3000.0, 0.7);
    let mut out = voice(2.6, |t| {
        fire.tune(160.0 + 4200.0 * (-t * 4.2).exp());
        let roar = 0.75 + 0.25 * (t * 63.0 + 3.0 * (t * 21.0).sin()).sin();
        fire.step(rng.range(-1.0, 1.0)).low
            * roar
            * (swell(t, 0.008, 0.34) + 0.25 * swell(t, 0.3, 0.7))
            * 1.5
    });
    soften(&mut out);
    out
}

/// Embers: short bright snaps, fewer and fewer.
fn crackle(rng: &mut Rng, seconds: f32) -> Vec<f32> {
    let mut out = vec![0.0; (seconds * RATE) as usize];
    for _ in 0..120 {
        let share = rng.unit().powf(1.4);
        let first = (share * (seconds - 0.05) * RATE) as usize;
        let loud = 0.5 * rng.unit().powi(2) * (1.0 - share);
        let mut snap = Filter::new(rng.range(1200.0, 5200.0), 3.0);
        for (i, slot) in out[first..].iter_mut().take(900).enumerate() {
            *slot +=
                snap.step(rng.range(-1.0, 1.0)).band * loud * swell(i as f32 / RATE, 0.0008, 0.004);
        }
    }
    soften(&mut out);
    out
}

fn spell_chime() -> Sound {
    let mut rng = Rng::new(16);
    let mut dry = Sound::silence(3.9, Tape::Once);
    let scale = [
        1.0, 1.125, 1.25, 1.5, 1.667, 2.0, 2.25, 2.5, 3.0, 3.333, 4.0,
    ];
    for (k, ratio) in scale.into_iter().enumerate() {
        let at = 0.02 + k as f32 * 0.085 + 0.012 * rng.bell();
        let loud = 0.5 - 0.025 * k as f32;
        dry.play(
            at.max(0.0),
            (k as f32 * 1.9).sin() * 0.8,
            &bell(523.25 * ratio, loud),
        );
    }
    for _ in 0..34 {
        let at = 0.5 + 2.1 * rng.unit().powf(1.3);
        let pitch = 523.25 * scale[rng.below(scale.len())] * [4.0, 2.0][rng.below(2)];
        dry.play(
            at,
            rng.range(-1.0, 1.0),
            &bell(pitch, 0.05 * rng.unit() * (3.0 - at)),
        );
    }
    dry.play(0.0, 0.0, &shimmer());
    let mut sound = dry.clone();
    sound.add(&dry.reverberation(3.0, 0.75), 0.5);
    sound.without_rumble().levelled(-3.0).faded(0.003, 1.2)
}

/// A small glass bell.
fn bell(pitch: f32, loud: f32) -> Vec<f32> {
    let mut partials = vec![
        (1.0, 1.0, 1.5),
        (2.003, 0.35, 0.9),
        (3.01, 0.25, 0.55),
        (5.43, 0.12, 0.28),
    ];
    // Overtones above 12 kHz would only hiss.
    partials.retain(|(ratio, _, _)| pitch * ratio < 12_000.0);
    let partials: Vec<_> = partials
        .into_iter()
        .map(|(ratio, level, decay)| (pitch * ratio, level * loud, decay))
        .collect();
    struck(1.8, &partials)
}

/// A held chord that trembles and opens up underneath the bells.
fn shimmer() -> Vec<f32> {
    let mut out = voice(3.4, |t| {
        let chord: f32 = [261.63, 392.0, 523.25, 659.25, 987.77]
            .iter()
            .enumerate()
            .map(|(k, f)| {
                (TAU * (f * t % 1.0) + 0.6 * (t * (4.0 + k as f32)).sin()).sin() / (2.0 + k as f32)
            })
            .sum();
        chord * 0.13 * smooth(0.0, 0.9, t) * smooth(0.0, 2.0, 3.4 - t)
    });
    soften(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loops_run_into_their_own_beginning() {
        for make in [crypt_drips, forest_day] {
            assert!(make().seam() < 0.6);
        }
    }

    #[test]
    fn effects_start_and_end_in_silence() {
        for piece in PIECES
            .iter()
            .filter(|piece| piece.path.starts_with("oneshot"))
        {
            let sound = (piece.make)();
            let ends = [sound.left.first(), sound.left.last()];
            assert!(
                ends.into_iter().flatten().all(|v| v.abs() < 1e-3),
                "{}",
                piece.title
            );
            let loudest = sound
                .left
                .iter()
                .chain(&sound.right)
                .fold(0.0_f32, |p, v| p.max(v.abs()));
            assert!(loudest <= 0.71, "{}", piece.title);
        }
    }
}

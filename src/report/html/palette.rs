//! The colours of clusters: one categorical palette that is distinguishable for colour-blind readers.

/// Paul Tol's `muted` scheme (personal.sron.nl/~pault), which the default of nine clusters fills exactly.
const LIGHT: [[u8; 3]; 9] = [
    [0xcc, 0x66, 0x77],
    [0x33, 0x22, 0x88],
    [0xdd, 0xcc, 0x77],
    [0x11, 0x77, 0x33],
    [0x88, 0xcc, 0xee],
    [0x88, 0x22, 0x55],
    [0x44, 0xaa, 0x99],
    [0x99, 0x99, 0x33],
    [0xaa, 0x44, 0x99],
];

/// Same hues for a dark page: the deep ones are lighter so that they differ from it.
const DARK: [[u8; 3]; 9] = [
    [0xdc, 0x7a, 0x88],
    [0x6c, 0x63, 0xd8],
    [0xdd, 0xcc, 0x77],
    [0x2f, 0x95, 0x50],
    [0x88, 0xcc, 0xee],
    [0xa8, 0x3a, 0x70],
    [0x44, 0xaa, 0x99],
    [0x99, 0x99, 0x33],
    [0xc0, 0x60, 0xb4],
];

/// Number of colours before they repeat.
pub(crate) const N_COLOURS: usize = 27;

/// Index of a cluster's colour in the palette.
pub(crate) fn index(cluster: u32) -> usize {
    cluster as usize % N_COLOURS
}

/// Red, green and blue of a cluster on a white page.
pub(crate) fn light(cluster: u32) -> [u8; 3] {
    variant(&LIGHT, cluster)
}

/// Red, green and blue of a cluster on a dark page.
pub(crate) fn dark(cluster: u32) -> [u8; 3] {
    variant(&DARK, cluster)
}

/// From the tenth cluster on the same hues paler, from the nineteenth on darker.
fn variant(base: &[[u8; 3]; 9], cluster: u32) -> [u8; 3] {
    let i = index(cluster);
    let towards =
        |c: u8, goal: f64, share: f64| (f64::from(c) * (1.0 - share) + goal * share).round() as u8;
    base[i % 9].map(|c| match i / 9 {
        0 => c,
        1 => towards(c, 255.0, 0.5),
        _ => towards(c, 0.0, 0.4),
    })
}

/// `#rrggbb`.
pub(crate) fn hex([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// True if black reads better than white on this colour (relative luminance of WCAG 2).
pub(crate) fn takes_dark_text(rgb: [u8; 3]) -> bool {
    let [r, g, b] = rgb.map(|c| {
        let c = f64::from(c) / 255.0;
        if c <= 0.04045 {
            c / 12.92
        } else {
            ((c + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn colours_differ_until_they_repeat() {
        for colour in [light, dark] {
            let all: HashSet<_> = (0..N_COLOURS as u32).map(colour).collect();
            assert_eq!(all.len(), N_COLOURS);
        }
        assert_eq!(light(0), light(N_COLOURS as u32));
        assert_eq!(hex(light(1)), "#332288");
        assert!(takes_dark_text(light(2)) && !takes_dark_text(light(1)));
    }
}

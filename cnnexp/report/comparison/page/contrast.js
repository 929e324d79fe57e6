// Numbers on coloured cells, each in black or white, whichever is read better on its cell.

const [DARK, LIGHT] = ["#000000", "#ffffff"]; // one of them has a contrast of 4.5 or more on any colour

/**
 * The trace of texts on the cells of a heat map, which Plotly would write in one colour of too little contrast.
 *
 * `z` are its values (lines of cells, null: empty), `texts` what stands on them, `scale` its [place, #rrggbb] from 0 to 1.
 */
export function writtenOn(z, texts, scale, low, high) {
  const cells = z.flatMap((line, y) => line.map((value, x) => ({ x, y, value, text: texts[y][x] })));
  const written = cells.filter(({ value, text }) => value !== null && text);
  return {
    type: "scatter",
    mode: "text",
    x: written.map(({ x }) => x),
    y: written.map(({ y }) => y),
    text: written.map(({ text }) => text),
    textfont: {
      color: written.map(({ value }) => inkOn(colorAt(scale, high > low ? (value - low) / (high - low) : 0.5))),
    },
    hoverinfo: "skip",
    showlegend: false,
  };
}

/** Red, green and blue (0..255) of a place in a colour scale. */
function colorAt(scale, place) {
  const upper = Math.max(
    1,
    scale.findIndex(([at]) => at >= place),
  );
  const [[from, one], [to, other]] = [scale[upper - 1], scale[upper]];
  const share = (place - from) / (to - from);
  const [first, second] = [channels(one), channels(other)];
  return first.map((value, index) => value + share * (second[index] - value));
}

function channels(color) {
  const full = color.length === 4 ? color.replaceAll(/[0-9a-f]/gi, "$&$&") : color;
  return [1, 3, 5].map((start) => parseInt(full.slice(start, start + 2), 16));
}

/** The ink of higher contrast, as the Web Content Accessibility Guidelines compute it. */
export function inkOn(color) {
  const luminance = luminanceOf(color);
  return 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 ? LIGHT : DARK;
}

function luminanceOf(color) {
  const [red, green, blue] = color.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

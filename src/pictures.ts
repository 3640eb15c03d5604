import { fileURLToPath } from 'node:url';
import type { Chart, ChartTone } from './ports.ts';

const width = 1000;
const margin = 36;
const barHeight = 26;
const rowHeight = 78;
const colours: Record<ChartTone, string> = { good: '#2e7d4f', late: '#e0a526', missing: '#b3372f', pending: '#b9c4cf', waived: '#e4e0d8' };
const fonts = ['400Regular/BeVietnamPro_400Regular.ttf', '600SemiBold/BeVietnamPro_600SemiBold.ttf'];

/**
 * A QR code as a PNG picture of 640 pixels with the quiet zone scanners need; error correction M survives a crease in the paper.
 * Throws when the text is longer than a QR code holds (about 2,300 bytes).
 */
export async function drawCode(text: string): Promise<Uint8Array> {
  const { toBuffer } = await import('qrcode');
  return toBuffer(text, { type: 'png', width: 640, margin: 4, errorCorrectionLevel: 'M' });
}

/**
 * A chart as a PNG picture 1000 pixels wide: a bar for each row with its name above and its note at the right, the legend below the title.
 * The font with every Vietnamese letter comes along, so that the picture is the same on every machine.
 */
export async function drawChart(chart: Chart): Promise<Uint8Array> {
  // Loaded when the first chart is asked for: an idle service does not carry the renderer.
  const { Resvg } = await import('@resvg/resvg-js');
  const fontFiles = fonts.map((file) => fileURLToPath(import.meta.resolve(`@expo-google-fonts/be-vietnam-pro/${file}`)));
  const picture = new Resvg(chartSvg(chart), { font: { loadSystemFonts: false, fontFiles, defaultFontFamily: 'Be Vietnam Pro' } });
  return picture.render().asPng();
}

/** The chart as SVG; exported for its tests. */
export function chartSvg(chart: Chart): string {
  const top = 148;
  const height = top + chart.bars.length * rowHeight + margin / 2;
  const legend = placeLegend(chart);
  const bars = chart.bars.map((bar, index) => {
    const y = top + index * rowHeight;
    return [
      text(margin, y, 22, bar.name, 62), text(width - margin, y, 22, bar.note, 28, 'end'),
      ...placeParts(bar.values).map(({ x, size }, part) => rect(x, y + 12, size, barHeight, colours[chart.legend[part]?.tone ?? 'waived'])),
    ].join('');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="Be Vietnam Pro"><rect width="${width}" height="${height}" fill="#ffffff"/>${text(margin, 52, 28, chart.title, 58, 'start', 600)}${legend}${bars.join('')}</svg>`;
}

function placeLegend(chart: Chart): string {
  const step = (width - 2 * margin) / Math.max(1, chart.legend.length);
  return chart.legend.map(({ tone, name }, index) => `${rect(margin + index * step, 76, 20, 20, colours[tone])}${text(margin + index * step + 28, 93, 20, name, 18)}`).join('');
}

/** Where the parts of a bar lie: together as wide as the chart; a bar of nothing has no parts. */
function placeParts(values: readonly number[]): { x: number; size: number }[] {
  const sum = values.reduce((total, value) => total + value, 0);
  let x = margin;
  return values.map((value) => {
    const size = sum === 0 ? 0 : (value / sum) * (width - 2 * margin);
    x += size;
    return { x: x - size, size };
  });
}

function rect(x: number, y: number, size: number, tall: number, fill: string): string {
  return size <= 0 ? '' : `<rect x="${x.toFixed(1)}" y="${y}" width="${size.toFixed(1)}" height="${tall}" fill="${fill}"/>`;
}

function text(x: number, y: number, size: number, words: string, most: number, anchor: 'start' | 'end' = 'start', weight = 400): string {
  const letters = Array.from(words);
  const shown = letters.length <= most ? words : `${letters.slice(0, most - 1).join('')}…`;
  const safe = shown.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`).replace(/\p{Cc}/gu, ' ');
  return `<text x="${x.toFixed(1)}" y="${y}" font-size="${size}" font-weight="${weight}" text-anchor="${anchor}" fill="#1f2933">${safe}</text>`;
}

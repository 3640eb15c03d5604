import { describe, expect, test } from '@jest/globals';
import { chartSvg, drawChart } from '../src/pictures.ts';
import type { Chart } from '../src/ports.ts';

const chart: Chart = {
  title: 'Liên đoàn Lao động tỉnh Bình Thuận, 09:00 ngày 02/5/2024',
  legend: [{ tone: 'good', name: 'đúng hạn' }, { tone: 'late', name: 'chậm' }, { tone: 'missing', name: 'thiếu' }, { tone: 'pending', name: 'còn hạn' }, { tone: 'waived', name: 'miễn' }],
  bars: [{ name: 'Báo cáo sơ kết 6 tháng đầu năm', values: [10, 2, 6, 0, 1], note: '12/19' }, { name: 'Bản đăng ký cá nhân', values: [0, 0, 0, 0, 0], note: '0/0' }],
};

/** Width and height of a PNG, from its head. */
function sizeOf(png: Uint8Array): { width: number; height: number } {
  const view = new DataView(png.buffer, png.byteOffset);
  return { width: view.getUint32(16), height: view.getUint32(20) };
}

describe('a chart', () => {
  test('is a PNG as wide as a phone needs and as tall as its bars', async () => {
    const png = await drawChart(chart);
    expect([...png.subarray(1, 4)]).toEqual([0x50, 0x4e, 0x47]);
    expect(sizeOf(png)).toEqual({ width: 1000, height: 148 + 2 * 78 + 18 });
  });

  test('draws Vietnamese letters with its own font, not empty boxes', async () => {
    const only = (name: string) => drawChart({ ...chart, bars: [{ name, values: [1, 0, 0, 0, 0], note: '' }] });
    const [letters, others, blank] = await Promise.all([only('ỷ ặ đ ữ'), only('ỵ ậ đ ử'), only('')]);
    expect(Buffer.compare(letters, others)).not.toBe(0);
    expect(letters.byteLength).toBeGreaterThan(blank.byteLength);
  });

  test('the parts of a bar fill it exactly, and a bar of nothing stays empty', () => {
    const widths = [...chartSvg({ ...chart, legend: [], bars: chart.bars }).matchAll(/y="160" width="([\d.]+)"/g)].map((match) => Number(match[1]));
    expect(widths.reduce((sum, size) => sum + size, 0)).toBeCloseTo(928, 0);
    expect(chartSvg(chart)).not.toMatch(/y="238" width/);
  });

  test('a hostile name cannot become markup', () => {
    expect(chartSvg({ ...chart, title: '</text><script>&"' })).toContain('&#60;/text&#62;&#60;script&#62;&#38;&#34;');
  });
});

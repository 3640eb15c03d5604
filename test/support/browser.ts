import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe } from '@jest/globals';
import { chromium, type Browser, type Page } from 'playwright-core';

const found = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => path !== undefined && existsSync(path));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** `describe` where a browser is installed (or named by CHROMIUM); elsewhere the tests are skipped, and a line says so. */
export const describeInBrowser: typeof describe | typeof describe.skip = found === undefined ? describe.skip : describe;
if (found === undefined) process.stderr.write('browser tests are SKIPPED: no chromium is installed (name one by CHROMIUM)\n');

/** A browser without a window that asks nobody outside. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: found ?? '',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** What axe finds wrong on the page as it is now, of any weight: `rule: where`. */
export async function findBarriers(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  return page.evaluate<string[]>('axe.run(document).then(({ violations }) => violations.flatMap((violation) => violation.nodes.map((node) => `${violation.id}: ${node.target.join(" ")}`)))');
}

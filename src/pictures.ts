import { toBuffer } from 'qrcode';

/**
 * A QR code as a PNG picture of 640 pixels with the quiet zone scanners need; error correction M survives a crease in the paper.
 * Throws when the text is longer than a QR code holds (about 2,300 bytes).
 */
export async function drawCode(text: string): Promise<Uint8Array> {
  return toBuffer(text, { type: 'png', width: 640, margin: 4, errorCorrectionLevel: 'M' });
}

import { decodeDoc, docLengthAt, encodeDoc } from './codec.ts';
import { CommandFailure } from './failure.ts';
import type { Doc, Value } from './value.ts';

/** Largest message taken, as `hello` announces it. */
export const MAX_MESSAGE_BYTES = 48_000_000;

const OP_REPLY = 1;
const OP_QUERY = 2004;
const OP_MSG = 2013;
const CHECKSUM_PRESENT = 1;
const MORE_TO_COME = 2;
/** Bits 0 to 15 are those a receiver must know. */
const REQUIRED_BITS = 0xffff;

/** A message as it was cut from the stream. */
export interface Message {
  requestId: number;
  opCode: number;
  bytes: Buffer;
}

/** A command read from a message. */
export interface Incoming {
  requestId: number;
  /** How the reply is framed. */
  form: 'msg' | 'query';
  database: string;
  body: Doc;
  /** The client wants no reply. */
  silent: boolean;
}

/** The bytes cannot be a conversation with a MongoDB client: the connection is closed. */
export class ProtocolViolation extends Error {}

/** Cuts a byte stream into messages; `push` throws `ProtocolViolation` for a length no message can have. */
export function createFramer(): { push(chunk: Buffer): Message[] } {
  let chunks: Buffer[] = [];
  let held = 0;
  return {
    push: (chunk) => {
      chunks.push(chunk);
      held += chunk.length;
      const messages: Message[] = [];
      for (;;) {
        if (held < 16) break;
        if ((chunks[0] as Buffer).length < 16) chunks = [Buffer.concat(chunks)];
        const head = chunks[0] as Buffer;
        const length = head.readInt32LE(0);
        if (length < 16 || length > MAX_MESSAGE_BYTES) throw new ProtocolViolation(`a message of ${length} bytes`);
        if (held < length) break;
        const all = chunks.length === 1 ? head : Buffer.concat(chunks);
        messages.push({ requestId: all.readInt32LE(4), opCode: all.readInt32LE(12), bytes: all.subarray(16, length) });
        chunks = all.length > length ? [all.subarray(length)] : [];
        held -= length;
      }
      return messages;
    },
  };
}

/** Reads the command in a message. Throws `CommandFailure` for BSON that is broken, `ProtocolViolation` for anything else. */
export function readMessage(message: Message): Incoming {
  if (message.opCode === OP_MSG) return readMsg(message);
  if (message.opCode === OP_QUERY) return readQuery(message);
  throw new ProtocolViolation(`operation ${message.opCode} is not served`);
}

/** True when the sender of a broken message waits for an answer. */
export function wantsAnswer(message: Message): boolean {
  return message.opCode === OP_QUERY || (message.opCode === OP_MSG && message.bytes.length >= 4 && (message.bytes.readUInt32LE(0) & MORE_TO_COME) === 0);
}

/** Frames a reply in the form of its request. */
export function writeReply(form: 'msg' | 'query', responseTo: number, requestId: number, doc: Doc): Buffer {
  const body = encodeDoc(doc);
  const headLength = form === 'msg' ? 21 : 36;
  const head = Buffer.alloc(headLength);
  head.writeInt32LE(headLength + body.length, 0);
  head.writeInt32LE(requestId, 4);
  head.writeInt32LE(responseTo, 8);
  head.writeInt32LE(form === 'msg' ? OP_MSG : OP_REPLY, 12);
  // OP_MSG: flags 0 and one section of kind 0. OP_REPLY: flag "await capable", no cursor, one document.
  if (form === 'query') {
    head.writeInt32LE(8, 16);
    head.writeInt32LE(1, 32);
  }
  return Buffer.concat([head, body]);
}

function readMsg(message: Message): Incoming {
  const { bytes } = message;
  if (bytes.length < 4) throw new ProtocolViolation('OP_MSG without flags');
  const flags = bytes.readUInt32LE(0);
  if ((flags & REQUIRED_BITS & ~(CHECKSUM_PRESENT | MORE_TO_COME)) !== 0) throw new ProtocolViolation(`OP_MSG with unknown flags ${flags}`);
  let end = bytes.length;
  if (flags & CHECKSUM_PRESENT) {
    end -= 4;
    if (end < 4) throw new ProtocolViolation('OP_MSG without its checksum');
    const head = Buffer.alloc(16);
    head.writeInt32LE(bytes.length + 16, 0);
    head.writeInt32LE(message.requestId, 4);
    head.writeInt32LE(0, 8);
    head.writeInt32LE(message.opCode, 12);
    if (crc32c(bytes.subarray(0, end), crc32c(head, 0)) !== bytes.readUInt32LE(end)) throw new ProtocolViolation('OP_MSG with a wrong checksum');
  }
  let body: Doc | undefined;
  const sequences: [string, Value[]][] = [];
  let at = 4;
  while (at < end) {
    const kind = bytes[at++];
    if (kind === 0) {
      if (body) throw new ProtocolViolation('OP_MSG with two bodies');
      const length = docLengthAt(bytes, at, end);
      body = decodeDoc(bytes.subarray(at, at + length));
      at += length;
    } else if (kind === 1) {
      if (at + 5 > end) throw new ProtocolViolation('a document sequence ends early');
      const size = bytes.readInt32LE(at);
      const stop = at + size;
      if (size < 5 || stop > end) throw new ProtocolViolation('a document sequence is out of bounds');
      const zero = bytes.indexOf(0, at + 4);
      if (zero < 0 || zero >= stop) throw new ProtocolViolation('a document sequence has no name');
      const name = bytes.toString('utf8', at + 4, zero);
      const docs: Value[] = [];
      for (at = zero + 1; at < stop; ) {
        const length = docLengthAt(bytes, at, stop);
        docs.push(decodeDoc(bytes.subarray(at, at + length)));
        at += length;
      }
      sequences.push([name, docs]);
    } else throw new ProtocolViolation(`OP_MSG with a section of kind ${kind ?? 'nothing'}`);
  }
  if (!body) throw new ProtocolViolation('OP_MSG without a body');
  for (const [name, docs] of sequences) {
    if (body.has(name)) throw new CommandFailure(40415, `the field '${name}' came both in the body and as a sequence`);
    body.set(name, docs);
  }
  const database = body.get('$db');
  if (typeof database !== 'string') throw new CommandFailure(40414, "OP_MSG requests require a $db argument");
  return { requestId: message.requestId, form: 'msg', database, body, silent: (flags & MORE_TO_COME) !== 0 };
}

/** The legacy form, taken only for what old drivers send first: a command on `<database>.$cmd`. */
function readQuery(message: Message): Incoming {
  const { bytes } = message;
  const zero = bytes.indexOf(0, 4);
  if (zero < 0 || zero + 9 > bytes.length) throw new ProtocolViolation('OP_QUERY ends early');
  const namespace = bytes.toString('utf8', 4, zero);
  if (!namespace.endsWith('.$cmd')) throw new ProtocolViolation('OP_QUERY is served for hello only');
  const length = docLengthAt(bytes, zero + 9, bytes.length);
  let body = decodeDoc(bytes.subarray(zero + 9, zero + 9 + length));
  const wrapped = body.get('$query');
  if (wrapped instanceof Map) body = wrapped;
  const name = body.keys().next().value ?? '';
  if (!['hello', 'ismaster', 'isMaster'].includes(name)) throw new CommandFailure(352, `Unsupported OP_QUERY command: ${name}. The client driver may require an upgrade.`);
  return { requestId: message.requestId, form: 'query', database: namespace.slice(0, -5), body, silent: false };
}

const TABLE = new Uint32Array(256).map((_zero, i) => {
  let value = i;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

/** CRC-32C (Castagnoli), the checksum of OP_MSG; `seed` continues an earlier part. */
export function crc32c(bytes: Uint8Array, seed: number): number {
  let value = ~seed;
  for (const byte of bytes) value = (TABLE[(value ^ byte) & 0xff] as number) ^ (value >>> 8);
  return ~value >>> 0;
}

import { createHmac } from 'node:crypto';
import { Readable } from 'node:stream';
import { requireAccess, type Viewer } from '../domain/access.ts';
import type { OutgoingDocument } from '../domain/message.ts';
import { codeDays, codeFromBytes, consentVersion, readCode, wrongTryLimit, type PairingCode } from '../domain/pairing.ts';
import { addressKey, type Address, type ChannelName, type Language, type Person, type Role } from '../domain/person.ts';
import { Refusal } from '../domain/refusal.ts';
import { isOpenOn, type Unit } from '../domain/unit.ts';
import type { Core } from '../ports.ts';
import { notify } from './notify.ts';
import { openPledges } from './pledges.ts';

const dayMs = 86_400_000;
const mostDays = 400;
const putBatch = 200;

/** A code in clear: shown once, when it is issued. */
export interface IssuedCode {
  unit: Unit;
  role: Role;
  code: string;
  /** One link for each channel that has links; empty where none has. */
  links: { channel: ChannelName; url: string }[];
  expiresAt: Date;
}

/** Which codes are wanted. */
export interface CodeRequest {
  /** A unit's code, or every unit that is open today. Staff codes stand at the root whatever is named. */
  unit: string | { all: true };
  role: Role;
  /** `once`: dies with its use. `join`: a link for members, until it expires. */
  use: PairingCode['use'];
  /** Days until it expires, 1 to 400; 30 unless said otherwise. */
  days?: number;
  /** Who asks; null: the operator at the terminal. */
  by: Viewer | null;
}

/**
 * Issues pairing codes, streamed: every code is stored (hashed) before it is handed out. Members' codes and join links may be issued by the unit's chair,
 * everything else by staff. Throws Refusal `not-allowed`, `unit-unknown`, `unit-closed` or `count-malformed` (days).
 */
export async function* issueCodes(core: Core, request: CodeRequest): AsyncGenerator<IssuedCode> {
  const days = request.days ?? codeDays;
  if (!Number.isInteger(days) || days < 1 || days > mostDays) throw new Refusal('count-malformed');
  const now = core.clock();
  const expiresAt = new Date(now.getTime() + days * dayMs);
  let batch: { code: string; unit: Unit; stored: PairingCode }[] = [];

  async function* flush(): AsyncGenerator<IssuedCode> {
    await core.store.codes.put(batch.map((entry) => entry.stored));
    for (const { code, unit } of batch) yield { unit, role: request.role, code, links: linksOf(core, code), expiresAt };
    batch = [];
  }

  for await (const unit of unitsFor(core, request)) {
    const code = await freshCode(core, new Set(batch.map((entry) => entry.stored.hash)));
    const stored: PairingCode = { hash: hashCode(core, code), unit: unit.code, role: request.role, use: request.use, issuedAt: now, expiresAt, usedAt: null, usedBy: null };
    batch.push({ code, unit, stored });
    if (batch.length >= putBatch) yield* flush();
  }
  if (batch.length > 0) yield* flush();
}

/** Issues one code; see {@link issueCodes}. */
export async function issueCode(core: Core, request: CodeRequest & { unit: string }): Promise<IssuedCode> {
  for await (const issued of issueCodes(core, request)) return issued;
  throw new Refusal('unit-unknown');
}

/** The links that hand a code to the bot, one for each channel that has links. */
export function linksOf(core: Core, code: string): { channel: ChannelName; url: string }[] {
  return [...core.channels.values()].flatMap((channel) => {
    const url = channel.deepLink(code);
    return url === null ? [] : [{ channel: channel.name, url }];
  });
}

/** The hash a code is stored and found by: HMAC-SHA-256 with the secret as pepper, hexadecimal. */
export function hashCode(core: Pick<Core, 'secret'>, code: string): string {
  return createHmac('sha256', core.secret).update(`code/${code}`).digest('hex');
}

/** A code nobody has yet. Among a hundred thousand live codes a double is likely, and it would pair a chair with another unit. */
export async function freshCode(core: Core, taken: ReadonlySet<string>): Promise<string> {
  for (;;) {
    const code = codeFromBytes(core.random(16));
    if (code === null) continue;
    const hash = hashCode(core, code);
    if (!taken.has(hash) && (await core.store.codes.find(hash)) === null) return code;
  }
}

async function* unitsFor(core: Core, request: CodeRequest): AsyncGenerator<Unit> {
  const { by, role, unit: wanted } = request;
  const today = core.calendar.dayOf(core.clock());
  if (typeof wanted === 'string' && role !== 'staff') {
    const unit = await core.store.units.get(wanted.normalize('NFC'));
    if (by) requireAccess(by, role === 'member' ? 'members.manage' : 'office', unit ?? undefined);
    if (!unit) throw new Refusal('unit-unknown', { unit: wanted });
    if (unit.closed !== null && unit.closed <= today) throw new Refusal('unit-closed', { unit: unit.name });
    yield unit;
    return;
  }
  if (by) requireAccess(by, 'office');
  if (role === 'staff') {
    const root = await core.store.units.root();
    if (!root) throw new Refusal('unit-unknown', { unit: typeof wanted === 'string' ? wanted : '' });
    yield root;
    return;
  }
  for await (const unit of core.store.units.stream(null)) if (isOpenOn(unit, today)) yield unit;
}

/** Who tries a code, from where and when. */
export interface Attempter {
  channel: ChannelName;
  chat: string;
  /** Who the address belongs to; null before pairing. */
  person: Person | null;
  /** The sender's stamp: a code typed in time is good however late it is read. */
  at: Date;
}

/** A code that may be used: what it would give. */
export interface CodeOffer {
  hash: string;
  unit: Unit;
  role: Role;
  /** The person holds that role already: nothing is to be done. */
  held: boolean;
  /** The unit has a chair who is somebody else: it must be asked whether they are replaced. */
  chaired: boolean;
}

/** Refuses while the address is locked after five wrong tries: Refusal `pairing-locked` with `until` (ISO). */
export async function refuseLocked(core: Core, who: Pick<Attempter, 'channel' | 'chat'>): Promise<void> {
  const until = await core.store.codes.lockedUntil(addressKey(who.channel, who.chat), core.clock());
  if (until) throw new Refusal('pairing-locked', { until: until.toISOString() });
}

/** Counts a wrong try and refuses: `code-malformed` or `code-unknown` with the tries left, `pairing-locked` from the fifth on. */
export async function refuseWrong(core: Core, who: Pick<Attempter, 'channel' | 'chat'>, code: 'code-malformed' | 'code-unknown'): Promise<never> {
  const { tries, lockedUntil } = await core.store.codes.countWrong(addressKey(who.channel, who.chat), core.clock());
  if (lockedUntil) throw new Refusal('pairing-locked', { until: lockedUntil.toISOString() });
  throw new Refusal(code, { left: Math.max(0, wrongTryLimit - tries) });
}

/**
 * What a typed or linked code would give. Changes nothing but the count of wrong tries. Throws Refusal `pairing-locked`, `code-malformed`, `code-unknown`,
 * `code-expired`, `join-closed` (an expired join link), `code-used` or `unit-closed`.
 */
export async function checkCode(core: Core, typed: string, who: Attempter): Promise<CodeOffer> {
  await refuseLocked(core, who);
  const code = readCode(typed);
  if (code === null) return refuseWrong(core, who, 'code-malformed');
  const offer = await findOffer(core, hashCode(core, code), who);
  return offer ?? refuseWrong(core, who, 'code-unknown');
}

/** The offer behind a hash kept in a draft; null when there is no such code. Throws like {@link checkCode}, counts nothing. */
export async function findOffer(core: Core, hash: string, who: Attempter, message: string | null = null): Promise<CodeOffer | null> {
  const code = await core.store.codes.find(hash);
  if (!code) return null;
  const unit = await core.store.units.get(code.unit);
  if (!unit) throw new Refusal('unit-unknown', { unit: code.unit });
  const held = who.person?.roles.some((role) => role.role === code.role && role.unit === code.unit) ?? false;
  if (held) return { hash, unit, role: code.role, held, chaired: false };
  const name = unit.name;
  if (code.usedAt !== null && (message === null || code.usedBy !== message)) throw new Refusal('code-used', { unit: name });
  if (who.at >= code.expiresAt) throw new Refusal(code.use === 'join' ? 'join-closed' : 'code-expired', { unit: name });
  if (unit.closed !== null && unit.closed <= core.calendar.dayOf(core.clock())) throw new Refusal('unit-closed', { unit: name });
  const chairs = code.role === 'chair' ? await core.store.people.chairsOf([unit.code]) : [];
  return { hash, unit, role: code.role, held, chaired: chairs.some((chair) => chair.id !== who.person?.id) };
}

/** What somebody agreed to. */
export interface Redemption extends Attempter {
  /** Hash of the code, from the offer. */
  hash: string;
  name: string;
  language: Language;
  /** The inbox key of the agreeing message: handled again after a kill, it may use the code again, and nobody else may. */
  message: string;
  /** What happens to the chair the unit has: gives way, or stays beside the new one. */
  chairs: 'replace' | 'join';
}

/**
 * Uses a code after agreement: stores the person with the consent's version and time, gives the role, and lets a replaced chair go (who is told; what the
 * unit handed in stays with the unit). Every step can be repeated. Throws like {@link checkCode}.
 */
export async function redeemCode(core: Core, redemption: Redemption): Promise<{ person: Person; unit: Unit; role: Role; replaced: number }> {
  const { hash, channel, chat, at, message } = redemption;
  const offer = await findOffer(core, hash, redemption, message);
  if (!offer) throw new Refusal('code-unknown', { left: wrongTryLimit });
  const { unit, role } = offer;
  const stored = await core.store.codes.find(hash);
  if (stored?.use === 'once' && !offer.held && !(await core.store.codes.use(hash, message, core.clock()))) throw new Refusal('code-used', { unit: unit.name });
  const address: Address = { channel, id: chat, lastAt: at, state: 'active', reason: null };
  const person = redemption.person ?? (await core.store.people.create({ name: redemption.name, language: redemption.language, roles: [], addresses: [address], consent: { version: consentVersion, at } }));
  await core.store.people.addRole(person.id, { role, unit: unit.code, since: at });
  if (role === 'member') await openPledges(core, person, unit.code);
  await core.store.codes.clearWrong(addressKey(channel, chat));
  const replaced = role === 'chair' && redemption.chairs === 'replace' ? await replaceChairs(core, unit, person, hash) : 0;
  return { person: (await core.store.people.get(person.id)) ?? person, unit, role, replaced };
}

async function replaceChairs(core: Core, unit: Unit, successor: Person, hash: string): Promise<number> {
  const former = (await core.store.people.chairsOf([unit.code])).filter((chair) => chair.id !== successor.id);
  for (const chair of former) {
    // Told first: once the role is gone a repeated step would not find them any more.
    await notify(core, [{ key: `chair-replaced/${hash.slice(0, 16)}/${chair.id}`, notice: { kind: 'chair-replaced', unit: unit.code }, person: chair, about: unit.code }]);
    await core.store.people.removeRole(chair.id, 'chair', unit.code);
  }
  return former.length;
}

/**
 * Keeps the QR picture of an issued code, ready to be sent: it holds the first link, or "GN code" where no channel has links.
 * The same code gives the same file.
 */
export async function keepCodePicture(core: Core, issued: Pick<IssuedCode, 'code' | 'links'>): Promise<OutgoingDocument> {
  const { code, links } = issued;
  const fileId = `qr-${hashCode(core, code).slice(0, 32)}`;
  const about = { name: 'ma-ghep-noi.png', mime: 'image/png' }; // Not named after the code: codes are kept as hashes only.
  const kept = await core.store.files.describe(fileId);
  if (kept) return { fileId, ...about, size: kept.size };
  const png = await core.drawCode(links[0]?.url ?? `GN ${code}`);
  await core.store.files.save(fileId, Readable.from([png]), about, png.byteLength);
  return { fileId, ...about, size: png.byteLength };
}

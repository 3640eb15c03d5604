import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { messageKey, messageNumber, parseUpdate, updateChat, updateNumber } from '../../src/channels/telegram/update.ts';
import { incomingSchema } from '../../src/domain/message.ts';
import { botApi, checkValue } from '../support/fake-telegram-spec.ts';

const folder = join(import.meta.dirname, '..', 'fixtures', 'telegram');
const about = { username: 'dondoc_bt_bot', now: new Date('2024-04-08T01:00:02Z') };

interface Fixture {
  update: Record<string, unknown>;
  means: Record<string, unknown>;
}

const fixtures = readdirSync(folder).map((file) => [file, JSON.parse(readFileSync(join(folder, file), 'utf8')) as Fixture] as const);

describe('an update as Telegram sends it', () => {
  test.each(fixtures)('%s means what its fixture says', (_file, { update, means }) => {
    const parsed = parseUpdate(update, about);
    // Through JSON, so that dates compare as they are written.
    expect(JSON.parse(JSON.stringify(parsed))).toMatchObject(means);
    if (parsed.kind === 'incoming') incomingSchema.parse(parsed.incoming);
    expect(updateNumber(update)).toBe(update.update_id);
  });

  test('a press names its query and is stamped with the moment it is read', () => {
    const press = fixtures.find(([file]) => file === 'press.json')?.[1].update;
    expect(parseUpdate(press, about)).toMatchObject({ press: '22004891234567890', incoming: { at: about.now } });
  });

  test('edits of one second are told apart, the same edit delivered twice is not', () => {
    const edit = fixtures.find(([file]) => file === 'edited.json')?.[1].update as Record<string, unknown>;
    const idOf = (update: unknown) => {
      const parsed = parseUpdate(update, about);
      return parsed.kind === 'incoming' ? parsed.incoming.messageId : parsed.kind;
    };
    expect(idOf(edit)).toBe(idOf(structuredClone(edit)));
    expect(idOf(edit)).not.toBe(idOf({ ...edit, update_id: 873211099 }));
  });

  test('before the own name is known a command with a name in it stays as it is', () => {
    const update = fixtures.find(([file]) => file === 'group-command.json')?.[1].update;
    expect(parseUpdate(update, { ...about, username: null })).toMatchObject({ incoming: { content: { text: '/quahan@Dondoc_BT_bot bao-cao' } } });
  });

  test('ids of messages come back from their keys, nothing else does', () => {
    expect(messageNumber(messageKey(-1001987654321, 9))).toBe(9);
    for (const foreign of ['', '9', 'a:b', '1:2:3', '5:press:9', '1:-2', `1:${'9'.repeat(20)}`]) expect(messageNumber(foreign)).toBeNull();
  });
});

/** Values for a type of the specification (what it says only in words, the kinds of chats, is said here), sometimes wrong on purpose when `broken`. */
function valueOf(types: readonly string[], depth: number, broken: boolean): fc.Arbitrary<unknown> {
  const right = fc.constantFrom(...types).chain((type) => oneOf(type, depth, broken));
  return broken ? fc.oneof({ weight: 12, arbitrary: right }, { weight: 1, arbitrary: junk }) : right;
}

const junk = fc.oneof(
  fc.constantFrom<unknown>(null, -1, 0, 1.5, 2 ** 53, Number.MAX_VALUE, '', '\ud800', '__proto__', true, [], {}, [[]], { id: {} }),
  fc.jsonValue({ maxDepth: 2 }), fc.string({ unit: 'binary' }),
);

function oneOf(type: string, depth: number, broken: boolean): fc.Arbitrary<unknown> {
  // Types that contain themselves must end somewhere: what is then not as the specification says is sorted out by the property.
  if (depth < -3) return fc.constant({});
  if (type.startsWith('Array of ')) {
    const least = type === 'Array of PhotoSize' ? 1 : 0;
    return depth > 0 || least > 0 ? fc.array(valueOf([type.slice(9)], depth - 1, broken), { minLength: least, maxLength: 2 }) : fc.constant([]);
  }
  if (type === 'String') return fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
  if (type === 'Integer') return fc.integer({ min: 0, max: 2_000_000_000 });
  if (type === 'Float') return fc.double({ noNaN: true, noDefaultInfinity: true });
  if (type === 'Boolean') return fc.boolean();
  const spec = botApi.types[type];
  if (spec?.subtypes) return fc.constantFrom(...spec.subtypes).chain((subtype) => oneOf(subtype, depth - 1, broken));
  const fields = (spec?.fields ?? []).filter((field) => field.required || depth > 0);
  const optional = fields.filter((field) => !field.required).map((field) => field.name);
  return fc.subarray(optional, { maxLength: Math.min(4, optional.length) }).chain((chosen) => fc.record(Object.fromEntries(
    fields.filter((field) => field.required || chosen.includes(field.name)).map((field) => [field.name, type === 'Chat' && field.name === 'type' ? fc.constantFrom('private', 'group', 'supergroup', 'channel') : valueOf(field.types, depth - 1, broken)]),
  )));
}

describe('updates made from the API specification', () => {
  const kinds = ['message', 'edited_message', 'callback_query', 'my_chat_member'];
  const updateOf = (broken: boolean) => fc.constantFrom(...kinds).chain((kind) => {
    const field = botApi.types.Update?.fields?.find((known) => known.name === kind);
    return fc.record({ update_id: fc.integer({ min: 1, max: 2_000_000_000 }), [kind]: valueOf(field?.types ?? [], 4, broken) });
  });

  test('whatever the specification allows is understood or passed over, never called malformed', () => {
    fc.assert(fc.property(updateOf(false), (update) => {
      fc.pre(checkValue(['Update'], update, 'update').length === 0 );
      const parsed = parseUpdate(update, about);
      if (parsed.kind === 'malformed') throw new Error(parsed.where);
      if (parsed.kind === 'incoming') incomingSchema.parse(parsed.incoming);
    }), { numRuns: 300 });
  });

  test('whatever arrives instead never throws, and what is taken is whole', () => {
    let malformed = 0;
    fc.assert(fc.property(fc.oneof({ weight: 5, arbitrary: updateOf(true) }, { weight: 1, arbitrary: junk }), (update) => {
      const parsed = parseUpdate(update, about);
      updateNumber(update);
      updateChat(update);
      if (parsed.kind === 'incoming') {
        incomingSchema.parse(parsed.incoming);
        expect(Number.isNaN(parsed.incoming.at.getTime())).toBe(false);
      }
      if (parsed.kind === 'malformed') malformed += 1;
    }), { numRuns: 600 });
    expect(malformed).toBeGreaterThan(50);
  });

  test('a malformed update is named by its fields, never by its content', () => {
    const parsed = parseUpdate({ update_id: 1, message: { message_id: 'Nguyễn Thị Hạnh', date: 'x', chat: { id: 1, type: 'private' }, text: 'bí mật' } }, about);
    expect(parsed).toEqual({ kind: 'malformed', where: 'message.message_id message.date' });
  });
});

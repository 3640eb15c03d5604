import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { codeAlphabet } from '../../src/domain/pairing.ts';
import type { Person } from '../../src/domain/person.ts';
import { checkCode, findOffer, hashCode, issueCode, issueCodes, keepCodePicture, redeemCode, type Attempter, type CodeRequest } from '../../src/services/pairing.ts';
import { openHouse, houseUnits, type House } from '../support/house.ts';

let house: House;
beforeEach(async () => {
  house = await openHouse();
});
afterEach(() => house.close());

const who = (chat = '1', person: Person | null = null): Attempter => ({ channel: 'telegram', chat, person, at: house.now() });
const refusal = (code: string): unknown => expect.objectContaining({ name: 'Refusal', code });
async function all(request: CodeRequest): Promise<string[]> {
  const issued: string[] = [];
  for await (const each of issueCodes(house.core, request)) issued.push(`${each.role} ${each.unit.code}`);
  return issued;
}

describe('issuing', () => {
  test('a code: eight unambiguous consonants, a link, thirty days; stored only as a peppered hash', async () => {
    const issued = await issueCode(house.core, { unit: 'CS-01', role: 'chair', use: 'once', by: null });
    expect(issued.code).toMatch(new RegExp(`^[${codeAlphabet}]{4}-[${codeAlphabet}]{4}$`));
    expect(issued.links).toEqual([{ channel: 'telegram', url: `https://t.me/dondoc_bot?start=${issued.code}` }]);
    expect(issued.expiresAt.getTime() - house.now().getTime()).toBe(30 * 86_400_000);
    expect(await house.store.codes.find(issued.code)).toBeNull();
    expect(await house.store.codes.find(hashCode(house.core, issued.code))).toMatchObject({ unit: 'CS-01', role: 'chair', usedAt: null });
    expect(hashCode({ secret: 'another secret' }, issued.code)).not.toBe(hashCode(house.core, issued.code));
  });

  test('for all: one for each unit that is open today', async () => {
    await house.store.units.put([{ ...(houseUnits[5] as (typeof houseUnits)[number]), closed: '2024-04-08' }]);
    expect(await all({ unit: { all: true }, role: 'chair', use: 'once', by: null })).toEqual(['CS-01', 'CS-02', 'CS-04', 'LDLD-BT', 'LDLD-HT', 'LDLD-PT'].map((code) => `chair ${code}`));
  });

  test('staff codes stand at the root, whatever unit is named', async () => {
    expect(await all({ unit: 'CS-01', role: 'staff', use: 'once', by: null })).toEqual(['staff LDLD-BT']);
  });

  test('two codes are never the same: one that exists already is drawn again', async () => {
    const first = await issueCode(house.core, { unit: 'CS-01', role: 'chair', use: 'once', by: null });
    const bytes = first.code.replace('-', '').split('').map((letter) => codeAlphabet.indexOf(letter));
    const draws = jest.spyOn(house.core, 'random').mockImplementationOnce((count) => Uint8Array.from({ length: count }, (_, index) => bytes[index % 8] as number));
    const second = await issueCode(house.core, { unit: 'CS-02', role: 'chair', use: 'once', by: null });
    expect(draws).toHaveBeenCalledTimes(2);
    expect(second.code).not.toBe(first.code);
    expect(await house.store.codes.find(hashCode(house.core, first.code))).toMatchObject({ unit: 'CS-01' });
  });

  test.each([0, -1, 1.5, 401, Number.NaN])('%p days are refused', async (days) => {
    await expect(issueCode(house.core, { unit: 'CS-01', role: 'chair', use: 'once', days, by: null })).rejects.toEqual(refusal('count-malformed'));
  });

  test('an unknown and a closed unit are refused', async () => {
    await expect(issueCode(house.core, { unit: 'CS-99', role: 'chair', use: 'once', by: null })).rejects.toEqual(refusal('unit-unknown'));
    await house.store.units.put([{ ...(houseUnits[3] as (typeof houseUnits)[number]), closed: '2024-04-01' }]);
    await expect(issueCode(house.core, { unit: 'CS-01', role: 'chair', use: 'once', by: null })).rejects.toEqual(refusal('unit-closed'));
  });

  test('a chair issues join links for the own unit and nothing else', async () => {
    const chair = (await (await house.pair('Hoa', 'chair', 'CS-01')).person()) as Person;
    const join = { role: 'member', use: 'join', by: chair } as const;
    expect((await issueCode(house.core, { ...join, unit: 'CS-01' })).role).toBe('member');
    await expect(issueCode(house.core, { ...join, unit: 'CS-02' })).rejects.toEqual(refusal('not-allowed'));
    await expect(issueCode(house.core, { unit: 'CS-01', role: 'chair', use: 'once', by: chair })).rejects.toEqual(refusal('not-allowed'));
    await expect(issueCode(house.core, { unit: 'CS-01', role: 'staff', use: 'once', by: chair })).rejects.toEqual(refusal('not-allowed'));
    await expect(all({ unit: { all: true }, role: 'member', use: 'join', by: chair })).rejects.toEqual(refusal('not-allowed'));
  });

  test('the QR code is a picture, drawn and kept once', async () => {
    const issued = await issueCode(house.core, { unit: 'CS-01', role: 'member', use: 'join', by: null });
    const picture = await keepCodePicture(house.core, issued);
    expect(picture).toMatchObject({ mime: 'image/png' });
    expect((await house.store.files.head(picture.fileId, 8)).toString('latin1')).toBe('\u0089PNG\r\n\u001a\n');
    expect(await keepCodePicture(house.core, issued)).toEqual(picture);
  });
});

describe('redeeming', () => {
  test('checking a code changes nothing', async () => {
    const { code } = await issueCode(house.core, { unit: 'CS-01', role: 'chair', use: 'once', by: null });
    const before = await house.store.codes.find(hashCode(house.core, code));
    expect(await checkCode(house.core, code, who())).toMatchObject({ role: 'chair', held: false, chaired: false, unit: { code: 'CS-01' } });
    expect(await house.store.codes.find(hashCode(house.core, code))).toEqual(before);
  });

  test('two agreements to one code at once: exactly one person has the unit', async () => {
    const { code } = await issueCode(house.core, { unit: 'CS-01', role: 'chair', use: 'once', by: null });
    const agree = (chat: string): Promise<unknown> => redeemCode(house.core, { ...who(chat), hash: hashCode(house.core, code), name: chat, language: 'vi', message: `telegram:${chat}`, chairs: 'join' });
    const results = await Promise.allSettled([agree('1'), agree('2')]);
    expect(results.map((result) => result.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await house.store.people.chairsOf(['CS-01'])).toHaveLength(1);
  });

  test('a wrong code of one account does not lock another', async () => {
    for (let tries = 0; tries < 5; tries += 1) await expect(checkCode(house.core, 'BBBB-BBBB', who('1'))).rejects.toThrow();
    await expect(checkCode(house.core, 'BBBB-BBBB', who('1'))).rejects.toEqual(refusal('pairing-locked'));
    await expect(checkCode(house.core, 'BBBB-BBBB', who('2'))).rejects.toEqual(refusal('code-unknown'));
  });

  test('a right code wipes out the wrong tries before it', async () => {
    for (let tries = 0; tries < 4; tries += 1) await expect(checkCode(house.core, 'BBBB-BBBB', who())).rejects.toThrow();
    const { code } = await issueCode(house.core, { unit: 'CS-01', role: 'chair', use: 'once', by: null });
    await redeemCode(house.core, { ...who(), hash: hashCode(house.core, code), name: 'Hoa', language: 'vi', message: 'telegram:1', chairs: 'join' });
    await expect(checkCode(house.core, 'BBBB-BBBB', who())).rejects.toEqual(refusal('code-unknown'));
  });

  test('a hash that was never issued is nothing', async () => {
    expect(await findOffer(house.core, 'f'.repeat(64), who())).toBeNull();
  });
});

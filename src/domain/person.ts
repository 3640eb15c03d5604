import { z } from 'zod';

/** What somebody is to a unit. `staff` stands at the root and sees the whole tree. */
export const roleSchema = z.enum(['staff', 'chair', 'member']);
/** See {@link roleSchema}. */
export type Role = z.infer<typeof roleSchema>;

/** The languages the product speaks; Vietnamese is the default. */
export const languageSchema = z.enum(['vi', 'en']);
/** See {@link languageSchema}. */
export type Language = z.infer<typeof languageSchema>;

/** Names of the channels; each has one adapter under `channels/`. */
export const channelNameSchema = z.enum(['telegram', 'zalo-bot', 'zalo-oa', 'web']);
/** See {@link channelNameSchema}. */
export type ChannelName = z.infer<typeof channelNameSchema>;

/** A place a person can be written to. `id` is the channel's own chat id, always a string. */
export const addressSchema = z.strictObject({
  channel: channelNameSchema,
  id: z.string(),
  /** When the person last wrote or pressed something there (the sender's stamp). */
  lastAt: z.date(),
  /** `gone`: blocked, deleted or unfollowed; it is not used again until the person writes. */
  state: z.enum(['active', 'gone']),
  /** Why it is gone, in the channel's words; null while active. */
  reason: z.string().nullable(),
});
/** See {@link addressSchema}. */
export type Address = z.infer<typeof addressSchema>;

/** A person who agreed to the notice. Nothing personal is stored before that. */
export const personSchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  language: languageSchema,
  roles: z.array(z.strictObject({ role: roleSchema, unit: z.string(), since: z.date() })),
  addresses: z.array(addressSchema),
  consent: z.strictObject({ version: z.string(), at: z.date() }),
});
/** See {@link personSchema}. */
export type Person = z.infer<typeof personSchema>;

/** What a reminder needs to know of a person: where they may be written to, and since when they are whose chair. */
export const recipientSchema = personSchema.pick({ id: true, roles: true, addresses: true });
/** See {@link recipientSchema}. */
export type Recipient = z.infer<typeof recipientSchema>;

/** How a unit stands towards us: "late" and "we never reached them" are different answers. */
export type Reach = 'never-paired' | 'reachable' | 'unreachable';

/** The unit codes a person holds a role in. @example unitsOf(person, 'chair') → ['LDLD-PT'] */
export function unitsOf(person: Pick<Person, 'roles'>, role: Role): string[] {
  return person.roles.filter((held) => held.role === role).map((held) => held.unit);
}

/** Whether the person holds that role anywhere. */
export function hasRole(person: Pick<Person, 'roles'>, role: Role): boolean {
  return person.roles.some((held) => held.role === role);
}

/** `channel:id`, the unique key of an address. @example addressKey('telegram', '42') → 'telegram:42' */
export function addressKey(channel: ChannelName, id: string): string {
  return `${channel}:${id}`;
}

/** The address to write to: the active one used last; null when there is none. */
export function currentAddress(person: Pick<Person, 'addresses'>): Address | null {
  const active = person.addresses.filter((address) => address.state === 'active');
  return active.reduce<Address | null>((latest, address) => (latest && latest.lastAt >= address.lastAt ? latest : address), null);
}

/** The same with the reason that staff can do something about: the person's channel no longer takes messages until they write again. */
export type UnitReach = Reach | 'window-closed';

/**
 * The reach of a unit by its chairs' addresses; `isOpen` says whether an address that is not gone may be written to.
 * @example reachOf([], () => true) → 'never-paired'
 */
export function reachOf(chairs: readonly Pick<Person, 'addresses'>[], isOpen: (address: Address) => boolean): UnitReach {
  if (chairs.length === 0) return 'never-paired';
  const active = chairs.flatMap((chair) => chair.addresses.filter((address) => address.state === 'active'));
  if (active.length === 0) return 'unreachable';
  return active.some(isOpen) ? 'reachable' : 'window-closed';
}

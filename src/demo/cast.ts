import type { Role } from '../domain/person.ts';

/** Somebody in the demo: the chat they write in, who they are, and whether the story shows their pairing. */
export interface CastMember {
  chat: string;
  role: Role;
  unit: string;
  name: string;
  pairedByStory: boolean;
}

/** The people of the demo. The last one is paired and never answers: somebody has to be late. */
export const cast: readonly CastMember[] = [
  { chat: 'staff', role: 'staff', unit: 'LDLD-BT', name: 'Lê Hồng Phúc', pairedByStory: false },
  { chat: 'chair', role: 'chair', unit: 'LDLD-PT', name: 'Nguyễn Thị Lan', pairedByStory: true },
  { chat: 'member', role: 'member', unit: 'CS-PT-01', name: 'Trần Văn Minh', pairedByStory: false },
  { chat: 'silent', role: 'chair', unit: 'LDLD-LG', name: 'Phạm Quốc Dũng', pairedByStory: false },
];

/** The phones on the page, in their order. */
export const phones = ['chair', 'member', 'staff'] as const;

/** Who writes in that chat. Throws for a chat the demo does not have: a bug. */
export function castOf(chat: string): CastMember {
  const person = cast.find((found) => found.chat === chat);
  if (!person) throw new Error(`nobody of the demo writes in the chat ${chat}`);
  return person;
}

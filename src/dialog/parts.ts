import { helpDialog } from './help.ts';
import { pairingDialog } from './pairing.ts';
import { peopleDialog } from './people.ts';
import type { DialogPart } from './turn.ts';

/** Every part of the dialog; `turns.ts` makes one table of them and refuses conflicts. */
export const dialogParts: readonly DialogPart[] = [
  pairingDialog,
  peopleDialog,
  helpDialog,
];

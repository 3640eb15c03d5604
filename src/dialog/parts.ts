import { helpDialog } from './help.ts';
import { pairingDialog } from './pairing.ts';
import { peopleDialog } from './people.ts';
import { broadcastDialog } from './broadcast.ts';
import { codesDialog } from './codes.ts';
import { digestDialog } from './digest.ts';
import { evidenceDialog } from './evidence.ts';
import { exportDialog } from './export.ts';
import { extensionReviewDialog } from './extension-review.ts';
import { nudgeDialog } from './nudge.ts';
import { overdueDialog } from './overdue.ts';
import { reviewDialog } from './review.ts';
import { statsDialog } from './stats.ts';
import { unitsDialog } from './units.ts';
import type { DialogPart } from './turn.ts';

/** Every part of the dialog; `turns.ts` makes one table of them and refuses conflicts. */
export const dialogParts: readonly DialogPart[] = [
  pairingDialog,
  peopleDialog,
  helpDialog,
  broadcastDialog,
  codesDialog,
  digestDialog,
  evidenceDialog,
  exportDialog,
  extensionReviewDialog,
  nudgeDialog,
  overdueDialog,
  reviewDialog,
  statsDialog,
  unitsDialog,
];

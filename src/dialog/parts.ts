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
import { confirmationDialog } from './confirmation.ts';
import { decisionDialog } from './decision.ts';
import { extensionDialog } from './extension.ts';
import { focusDialog } from './focus.ts';
import { membersDialog } from './members.ts';
import { pledgeDialog } from './pledge.ts';
import { receiptDialog } from './receipt.ts';
import { reminderDialog } from './reminder.ts';
import { statusDialog } from './status.ts';
import { submissionDialog } from './submission.ts';
import type { DialogPart } from './turn.ts';

/** Every part of the dialog; `turns.ts` makes one table of them and refuses conflicts. */
export const dialogParts: readonly DialogPart[] = [
  pairingDialog,
  peopleDialog,
  helpDialog,
  confirmationDialog,
  decisionDialog,
  extensionDialog,
  focusDialog,
  membersDialog,
  pledgeDialog,
  receiptDialog,
  reminderDialog,
  statusDialog,
  submissionDialog,
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

import type { Person } from './person.ts';
import { hasRole } from './person.ts';
import { Refusal } from './refusal.ts';
import type { Unit } from './unit.ts';

/** A person as the access rules see them: roles only. */
export type Viewer = Pick<Person, 'id' | 'roles'>;
/** A unit as the access rules see it: its code and the path from the root to it. */
export type Place = Pick<Unit, 'code' | 'path'>;

/**
 * What may be done and who may do it: the rule book, and the only one. A `chair` stands for the own unit, a `chairAbove` for the
 * own subtree, `member` for one's own data, `staff` for the whole tree.
 */
const rules = {
  /** Read the duties, submissions, receipts and figures of a unit. */
  'unit.read': ['staff', 'chairAbove'],
  /** Open a file that a unit handed in. */
  'file.read': ['staff', 'chairAbove'],
  /** Hand in, confirm, withdraw, ask for more time. */
  'unit.submit': ['chair'],
  /** See the unit's members and who has pledged; record a paper pledge; share the join link; remove a member. */
  'members.manage': ['chair'],
  /** See how many have pledged, without names. */
  'pledges.count': ['staff', 'chairAbove'],
  /** Register, read, change and confirm one's own pledge. */
  'pledge.own': ['member', 'chair', 'staff'],
  /** Who is late, below one's own place. */
  'overdue.read': ['staff', 'chairAbove'],
  /** Accept, return, decide extensions, waive. */
  'review': ['staff'],
  /** Nudge, broadcast, export, issue codes. */
  'office': ['staff'],
} as const;

/** An action the rule book knows. */
export type Action = keyof typeof rules;

/**
 * Whether the viewer may do the action at that place; without a place, whether there is any place where they may.
 * A chair sees the own unit and everything under it, a member only what is their own, staff the whole tree.
 * @example can(chairOfA, 'unit.read', unitUnderA) → true
 */
export function can(viewer: Viewer, action: Action, place?: Place): boolean {
  return rules[action].some((who) => {
    if (who === 'staff') return hasRole(viewer, 'staff');
    const role = who === 'member' ? 'member' : 'chair';
    return viewer.roles.some((held) => {
      if (held.role !== role) return false;
      if (!place) return true;
      return who === 'chairAbove' ? place.path.includes(held.unit) : place.code === held.unit;
    });
  });
}

/** Like {@link can}, but refuses with `not-allowed`. */
export function requireAccess(viewer: Viewer, action: Action, place?: Place): void {
  if (!can(viewer, action, place)) throw new Refusal('not-allowed');
}

/**
 * The unit codes whose subtrees the viewer may read; null means the whole tree. An empty list means nothing at all.
 * Every list a person asks for is limited by it. An action a chair may do only for the own unit opens no subtree.
 */
export function visibleRoots(viewer: Viewer, action: Action): string[] | null {
  if ((rules[action] as readonly string[]).includes('staff') && hasRole(viewer, 'staff')) return null;
  if (!(rules[action] as readonly string[]).includes('chairAbove')) return [];
  return viewer.roles.filter((held) => held.role === 'chair').map((held) => held.unit);
}

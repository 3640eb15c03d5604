import type { Unit, UnitRow } from '../domain/unit.ts';

const places = ['Phan Thiết', 'La Gi', 'Tuy Phong', 'Bắc Bình', 'Hàm Thuận Bắc', 'Hàm Thuận Nam', 'Tánh Linh', 'Đức Linh', 'Hàm Tân', 'Phú Quý'];
const kinds = ['Trường Tiểu học', 'Trường THCS', 'Công ty TNHH', 'Ủy ban nhân dân xã', 'Trạm Y tế', 'Hợp tác xã', 'Công ty Cổ phần', 'Trường Mầm non'];

/**
 * A tree of any size for benchmarks and rehearsals: one root, about one upper-level union for every hundred units (ten at least), the rest base units
 * spread evenly under them. The same `size` always gives the same tree; parents come before their children.
 * @example [...sampleTree(1_200)].length → 1200
 */
export function* sampleTree(size: number): Generator<UnitRow> {
  if (!Number.isInteger(size) || size < 1) throw new RangeError(`not a size of a tree: ${size}`);
  yield { row: 2, code: 'LDLD-TINH', name: 'Liên đoàn Lao động tỉnh', level: 'tinh', parent: null, members: 0 };
  const uppers = Math.min(size - 1, Math.max(10, Math.floor(size / 100)));
  for (let index = 0; index < uppers; index += 1) {
    yield { row: index + 3, code: upperCode(index), name: `Liên đoàn Lao động ${places[index % places.length]} ${Math.floor(index / places.length) + 1}`, level: 'cap-tren', parent: 'LDLD-TINH', members: 0 };
  }
  for (let index = 0; index < size - 1 - uppers; index += 1) {
    const upper = index % uppers;
    yield {
      row: index + uppers + 3, code: `CS-${String(index + 1).padStart(6, '0')}`, name: `Công đoàn cơ sở ${kinds[index % kinds.length]} ${places[upper % places.length]} ${index + 1}`,
      level: 'co-so', parent: upperCode(upper), members: 10 + ((index * 37) % 181),
    };
  }
}

function upperCode(index: number): string {
  return `CT-${String(index + 1).padStart(4, '0')}`;
}

/** The same tree as units, open since always: for benchmarks that put them straight into a store. */
export function* sampleUnits(size: number): Generator<Unit> {
  for (const { row: _row, ...unit } of sampleTree(size)) {
    const path = unit.parent === null ? [unit.code] : unit.parent === 'LDLD-TINH' ? ['LDLD-TINH', unit.code] : ['LDLD-TINH', unit.parent, unit.code];
    yield { ...unit, path, opened: null, closed: null };
  }
}

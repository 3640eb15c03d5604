// Twenty steps of mongosh against `dondoc db`; any that does not come out as written ends with an error. Run by .ci/mongosh.
/* global db, print */
const assert = require('node:assert/strict');
let step = 0;
const check = (name, found, wanted) => {
  step++;
  const plain = (value) => JSON.parse(JSON.stringify(value ?? null));
  assert.deepEqual(plain(found), plain(wanted), `step ${step}: ${name}`);
  print(`${step}. ${name}`);
};
const refused = (name, work, code) => {
  step++;
  try {
    work();
  } catch (error) {
    assert.equal(error.code ?? error.writeErrors?.[0]?.code, code, `step ${step}: ${name}: ${error.message}`);
    print(`${step}. ${name}`);
    return;
  }
  throw new Error(`step ${step}: ${name} was not refused`);
};

const units = db.getCollection('units');
units.drop();
check('ping', db.runCommand({ ping: 1 }).ok, 1);
check('insertMany', units.insertMany([{ _id: 1, name: 'A', n: 5, tags: ['x'] }, { _id: 2, name: 'B', n: 7, tags: ['x', 'y'] }, { _id: 3, name: 'C', n: 1 }]).insertedIds, { 0: 1, 1: 2, 2: 3 });
check('createIndex, unique', units.createIndex({ name: 1 }, { unique: true }), 'name_1');
check('createIndex, compound', units.createIndex({ tags: 1, n: -1 }), 'tags_1_n_-1');
check('getIndexes', units.getIndexes().map((index) => index.name), ['_id_', 'name_1', 'tags_1_n_-1']);
refused('a taken unique key', () => units.insertOne({ name: 'A' }), 11000);
check('find with sort and projection', units.find({ n: { $gt: 1 } }, { name: 1, _id: 0 }).sort({ n: -1 }).toArray(), [{ name: 'B' }, { name: 'A' }]);
check('findOne in an array', units.findOne({ tags: 'y' })._id, 2);
check('countDocuments', units.countDocuments({ tags: 'x' }), 2);
check('distinct', units.distinct('tags'), ['x', 'y']);
check('updateOne', units.updateOne({ _id: 1 }, { $inc: { n: 1 }, $push: { tags: 'z' } }).modifiedCount, 1);
check('updateMany', units.updateMany({}, { $set: { seen: true } }).matchedCount, 3);
check('findOneAndUpdate with upsert', units.findOneAndUpdate({ name: 'D' }, { $setOnInsert: { n: 9 } }, { upsert: true, returnDocument: 'after' }).n, 9);
check('replaceOne', units.replaceOne({ _id: 3 }, { name: 'C2', n: 2 }).modifiedCount, 1);
check('aggregate', units.aggregate([{ $match: { n: { $lt: 9 } } }, { $group: { _id: null, sum: { $sum: '$n' }, count: { $sum: 1 } } }]).toArray(), [{ _id: null, sum: 15, count: 3 }]);
check('explain', units.find({ name: 'A' }).explain('executionStats').executionStats.totalDocsExamined, 1);
check('validate', units.validate().valid, true);
check('deleteOne', units.deleteOne({ name: 'D' }).deletedCount, 1);
refused('$where', () => units.find({ $where: 'true' }).toArray(), 2);
check('drop', units.drop(), true);
print(`${step} steps`);

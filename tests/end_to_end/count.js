// Everything that must be there once per completion, read from the services' databases. Runs in mongosh.
db.getSiblingDB("admin").auth("admin", require("fs").readFileSync("/run/secrets/mongo_admin", "utf8").trim());
const [enrollment, incentive, notification] = ["enrollment", "incentive", "notification"].map((name) =>
  db.getSiblingDB(`kompeten_${name}`));
const certificates = enrollment.completions.find({ certificate: { $ne: null } }).toArray().map((one) => one.certificate);
const earned = {};
incentive.point_entries.find().forEach((one) => {
  earned[one.employee_id] = (earned[one.employee_id] ?? 0) + one.points;
});
const total = (values) => values.reduce((sum, one) => sum + one, 0);
const mails = {};
notification.mails.find().forEach((one) => (mails[one.state] = (mails[one.state] ?? 0) + 1));
print(EJSON.stringify({
  employees: enrollment.employees.countDocuments({}),
  completions: enrollment.completions.countDocuments({}),
  certificates: certificates.length,
  certificate_numbers: new Set(certificates.map((one) => one.number)).size,
  last_numbers: total(enrollment.sequences.find().toArray().map((one) => one.last)),
  pdfs: enrollment.stored_pdfs.countDocuments({}),
  certificates_with_pdf: certificates.filter((one) => one.sha256).length,
  point_entries: incentive.point_entries.countDocuments({}),
  points: total(Object.values(earned)),
  accounts_equal_to_ledger: incentive.accounts.find().toArray().filter((one) => one.balance === earned[one._id]).length,
  mails,
  repeated_mails: total(notification.mails.find().toArray().map((one) => one.repeated ?? 0)),
  waiting: total([enrollment, incentive, notification].map((one) => one.waiting.countDocuments({}))),
  dead_letters: total([enrollment, incentive, notification].map((one) => one.dead_letters.countDocuments({}))),
}));

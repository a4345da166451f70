// Makes this node the primary of a set of one, with a user per service: whatever of that is missing. Fails until done.
// mongod lets the first steps be taken without a password from inside its own container, until a user exists.
const fs = require("fs");
const MEMBER = { _id: 0, host: "mongo:27017" };
const SERVICES = ["enrollment", "incentive", "notification"];
const PREFIX = process.env.DATABASE_PREFIX;
const secret = (name) => fs.readFileSync(`/run/secrets/${name}`, "utf8").trim();
const admin = db.getSiblingDB("admin");
const signIn = () => admin.auth("admin", secret("mongo_admin"));

let known = true;
try {
  signIn();
} catch (error) {
  if (error.codeName !== "AuthenticationFailed") throw error;
  known = false;
}
let hello = admin.hello();
if (!hello.setName) {
  try {
    rs.initiate({ _id: "rs0", members: [MEMBER] });
  } catch (error) {
    // No member of the set that its data tell of, as that has another address: tell it its own.
    if (!["AlreadyInitialized", "InvalidReplicaSetConfig"].includes(error.codeName)) throw error;
    const config = db.getSiblingDB("local").system.replset.findOne();
    rs.reconfig({ ...config, version: config.version + 1, members: [MEMBER] }, { force: true });
  }
}
for (let i = 0; i < 50 && !(hello = admin.hello()).isWritablePrimary; i++) sleep(200);
if (!hello.isWritablePrimary) {
  print("not yet primary");
  quit(1);
}
if (!known) {
  admin.createUser({ user: "admin", pwd: secret("mongo_admin"), roles: ["root"] });
  signIn();
}
for (const service of SERVICES) {
  const pwd = new URL(secret(`mongo_${service}`)).password;
  const roles = [{ role: "readWrite", db: `${PREFIX}_${service}` }];
  // Its own database only. A password that was changed in the file is taken over.
  if (admin.getUser(service)) admin.updateUser(service, { pwd, roles });
  else admin.createUser({ user: service, pwd, roles });
}

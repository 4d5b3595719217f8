/**
 * A process for balancer-crash.test.ts to kill: `write` changes a balancer's state without end, and says what was accepted; `look` starts it again and
 * says what it found, in the state and in the maps.
 */
import { join } from "node:path";
import { startBalancer } from "../../dist/balancer/balancer.js";
import { pinDirectoryOf } from "../../dist/balancer/datapath/datapath.js";
import { openPinnedMap } from "../../dist/index.js";

const [directory, instance, task, seed = "1"] = process.argv.slice(2);
const entries = { flows4: 1024, flows6: 1024, origins4: 1024, origins6: 1024 };

/** mulberry32 (public domain). */
let state = Number(seed);
function random(below) {
  state = (state + 0x6d2b79f5) | 0;
  let hash = Math.imul(state ^ (state >>> 15), 1 | state);
  hash = (hash + Math.imul(hash ^ (hash >>> 7), 61 | hash)) ^ hash;
  return ((hash ^ (hash >>> 14)) >>> 0) % below;
}

function randomState() {
  const some = (most, make) => Array.from({ length: random(most + 1) }, (_, index) => make(index)).filter(() => random(3) > 0);
  return {
    devices: [{ name: "lb0" }],
    source6: "2001:db8::fe",
    tableSize: 251,
    mtu: 1500 - random(2),
    services: some(40, (index) => ({
      name: `s${index}`,
      address: index % 3 === 0 ? `2001:db8::${index + 1}` : `192.0.2.${index + 1}`,
      port: random(2) === 0 ? 80 : "all",
      protocol: "tcp",
      mode: "ipip",
      backends: some(4, (host) => ({ address: `10.7.0.${host + 1}`, weight: random(3), drain: random(4) === 0 })),
    })),
  };
}

async function write() {
  const balancer = await startBalancer({ directory, instance, entries });
  for (;;) {
    const { revision } = await balancer.apply(randomState());
    process.stdout.write(`${JSON.stringify({ revision, state: balancer.state })}\n`);
  }
}

async function look() {
  const balancer = await startBalancer({ directory, instance, entries });
  const status = await balancer.status();
  const open = (name) => openPinnedMap(join(pinDirectoryOf(instance), name));
  const records = [...open("backends")].filter(([, { family }]) => family !== 0);
  const found = {
    revision: balancer.revision,
    state: balancer.state,
    devices: status.devices.length,
    services: status.services.map(({ backends }) => backends.map(({ slots }) => slots)),
    keys: open("services4").count() + open("services6").count(),
    vips: open("vips4").count() + open("vips6").count(),
    backends: records.length,
    generations: records.every(([, { generation }]) => generation > 0),
  };
  console.log(JSON.stringify(found));
  await balancer.close();
}

await (task === "write" ? write() : look());

/** The kernel is asked to make a device of each name, and must agree. */
import { expect, test } from "vitest";
import { lacking } from "../../../test/foreign-tools.ts";
import { freshNamespace } from "../../../test/own-network.ts";
import { isErrno } from "../../sys/errno.ts";
import { inNamespace } from "../../sys/namespaces.ts";
import { addVethPair, findLink } from "../../sys/netlink/index.ts";
import { impossibleName } from "./device-name.ts";

const POSSIBLE = ["eth0", "a", "fifteen-bytes-x", "eth0.5", "...", "veth\u00e9", "a@b", "-x"];
const IMPOSSIBLE = [
  "",
  "sixteen-bytes-xy",
  ".",
  "..",
  "a/b",
  "a:b",
  "a%",
  "a b",
  "a\tb",
  "a\n",
  "\u00e0",
  "fourteen-bytes\u00e9",
];

const missing = lacking("root");

test.skipIf(missing !== "").each(POSSIBLE)(`a device can be called %j${missing}`, (name) => {
  expect(impossibleName(name)).toBeNull();
  inNamespace(freshNamespace(), () => {
    addVethPair({ name, peerName: "peer" });
    expect(findLink(name)?.name).toBe(name);
  });
});

test.skipIf(missing !== "").each(IMPOSSIBLE)(`no device can be called %j${missing}`, (name) => {
  expect(impossibleName(name)).not.toBeNull();
  inNamespace(freshNamespace(), () => {
    // The kernel makes up a name for a device without one.
    if (name !== "") expect(() => addVethPair({ name, peerName: "peer" })).toThrow();
    let found: unknown = null;
    try {
      found = findLink(name);
    } catch (error) {
      if (!isErrno(error, "ERANGE", "EINVAL")) throw error;
    }
    expect(found).toBeNull();
  });
});

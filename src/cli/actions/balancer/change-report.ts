/** What a change did, or would do, for people. */
import type { Change } from "../../../balancer/contract.ts";
import { percent } from "../../../balancer/moved.ts";
import { oneLine, paint, say, sayJson } from "../../terminal.ts";
import type { Changed } from "./api.ts";

/** Enough to see what kind of change it is; --json has all. */
const MOST_LINES = 200;

export function sayChanged(changed: Changed, json: boolean | undefined): void {
  if (json === true) return sayJson(changed);
  const { changes, moved, dryRun, revision, summary } = changed;
  if (changes.length === 0)
    return say(`Nothing ${dryRun ? "would change" : "changes"}: that is how it is (revision ${revision}).`);
  for (const change of changes.slice(0, MOST_LINES)) say(changeLine(change));
  if (changes.length > MOST_LINES) say(`… and ${changes.length - MOST_LINES} more`);
  for (const { service, slots, of } of moved.filter((each) => each.slots > 0).slice(0, MOST_LINES)) {
    say(`  ${oneLine(service)}: ${slots} of ${of} slots move (${percent(slots / of)})`);
  }
  say(dryRun ? `It would be: ${summary}. Nothing was changed.` : `Done: ${summary} (revision ${revision}).`);
}

const SIGNS = { add: "+", remove: "-", set: "~", replace: "±" } as const;
const STYLES = { add: "green", remove: "red", set: "yellow", replace: "yellow" } as const;

function changeLine({ action, subject, service, backend, fields }: Change): string {
  const device = subject === "device" ? fields.name?.find((each) => typeof each === "string") : undefined;
  const name = [service, backend, device].filter((each) => each !== undefined).join("/");
  // What goes is known by its name; so is what comes, beside what it has, and a device, which has no other.
  const isNamed = action === "add" || device !== undefined;
  const told = action === "remove" ? [] : Object.entries(fields).filter(([field]) => !isNamed || field !== "name");
  const text = told.map(([field, [before, after]]) => {
    if (before === undefined || before === null) return `${field} ${shown(after)}`;
    return after === undefined || after === null
      ? `${field} ${shown(before)} → default`
      : `${field} ${shown(before)} → ${shown(after)}`;
  });
  const head = paint(STYLES[action], `${SIGNS[action]} ${subject}${name === "" ? "" : ` ${oneLine(name)}`}`);
  return text.length === 0 ? head : `${head}  ${oneLine(text.join(", "))}`;
}

function shown(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)} …` : text;
}

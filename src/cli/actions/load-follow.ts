/** `wirescript load --follow`: stays, and attaches the program again whenever its device comes back. Ends with Ctrl-C; the program stays attached. */
import { once } from "node:events";
import { type FollowEvent, type FollowOptions, follow } from "../../index.ts";
import type { Interruption } from "../interruption.ts";
import { whileAlone } from "../network.ts";
import { paint, say } from "../terminal.ts";
import { type LoadReport, reportLoad } from "./load-report.ts";

/** @throws WirescriptError INTERRUPTED when it is told to stop; the program stays attached. */
export async function followDevice(report: LoadReport, options: FollowOptions, interruption: Interruption): Promise<void> {
  const { name } = report.spec;
  let isStarting = true;
  const first: FollowEvent[] = [];
  const onEvent = (event: FollowEvent) => {
    if (isStarting) first.push(event);
    else for (const line of describe(event, name)) say(line);
  };
  const following = await whileAlone(() => {
    try {
      return follow(report.program, { ...options, onEvent });
    } catch (error) {
      report.loaded.undoPins();
      throw error;
    }
  });
  using _ = following;
  reportLoad(report, [...first.flatMap((event) => describe(event, name)), `Following ${options.dev} until Ctrl-C.`]);
  isStarting = false;
  if (!interruption.signal.aborted) await once(interruption.signal, "abort");
  const { device } = following;
  interruption.isOver(
    device === null ? `${name} is on no device; maps that are pinned stay.` : `${name} stays on ${device.name}.`,
  );
}

function describe(event: FollowEvent, name: string): string[] {
  const { dev } = event;
  switch (event.kind) {
    case "attached": {
      const how = `${event.mode === null ? "" : ` in ${event.mode} mode`}${event.again ? ", where it still was" : ""}`;
      return [`${paint("green", "Attached")} ${paint("bold", name)} to ${dev} (number ${event.ifindex})${how}.`];
    }
    case "waiting":
      return [`There is no ${dev} yet: waiting for it.`];
    case "gone":
      return [`${dev} (number ${event.ifindex}) is gone: waiting until it comes back.`];
    case "renamed":
      return [`${event.from} is called ${dev} now; ${name} stays on it.`];
    case "moved":
      return [`${dev} is another device now, and has ${name}; it was on ${event.from}.`];
    case "taken":
      return [`Somebody took ${name} off ${dev}; it is left so until the device has been away.`];
    case "refused":
      return [
        `${paint("yellow", "Not attached")} to ${dev}: ${event.error.message}`,
        ...(event.error.why === undefined ? [] : [`  ${event.error.why}`]),
      ];
  }
}

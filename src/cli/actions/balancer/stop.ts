/** `wirescript balancer stop`: ends the service, and with --detach the datapath too. */
import { say, sayJson } from "../../terminal.ts";
import { Api, type ApiOptions } from "./api.ts";

export async function stop({ detach, ...options }: ApiOptions & { detach?: boolean }): Promise<void> {
  const answer = await new Api(options).ask<{ stopping: boolean; detach: boolean }>("POST", "/stop", {
    body: { detach: detach === true },
  });
  if (options.json === true) return sayJson(answer);
  say(
    answer.detach
      ? "The balancer stops, and takes its programs off the devices."
      : "The balancer's service stops. Packets are forwarded as before; nobody checks backends until it is started again.",
  );
}

/**
 * All changes that come by the API, one after another: each is made to the state that the one before left, so two clients that change different parts
 * never disturb each other. What else changes the state meanwhile (a reload) makes the edit be done anew, unless the client asked for a revision.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Applied, Balancer, Plan, State } from "../contract.ts";
import { movedText } from "../moved.ts";
import { ConflictError, InvalidState } from "../refusals.ts";
import type { Edit } from "./edits.ts";
import { conflict } from "./errors.ts";
import { asField } from "./parts.ts";
import { etagOf, mustStillBe, precondition } from "./preconditions.ts";
import { type FieldProblem, invalid, Refusal } from "./problem.ts";

/** How often an edit is done anew before somebody else's changes have the field. */
const TRIES = 5;
/** Who waits behind so many would have given up. */
const MOST_WAITING = 1000;

export interface Wish {
  /** Whether what is changed is there; for If-Match and If-None-Match. */
  exists: (state: State) => boolean;
  /** @throws Refusal */
  edit: (state: State) => Edit;
  dryRun: boolean;
}

export class Changes {
  readonly #balancer: Balancer;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  private constructor(balancer: Balancer) {
    this.#balancer = balancer;
  }

  /** The ones of this balancer, whoever asks: there is one queue. */
  static of(balancer: Balancer): Changes {
    const known = ALL.get(balancer);
    if (known !== undefined) return known;
    const made = new Changes(balancer);
    ALL.set(balancer, made);
    return made;
  }

  /** Makes a change that no revision is demanded of. `edit` may be called more than once. */
  make(edit: (state: State) => State): Promise<Applied> {
    return this.#inTurn(async () => {
      for (let tries = 1; ; tries++) {
        const { state, revision } = this.#balancer;
        try {
          return await this.#balancer.apply(edit(state), { ifRevision: revision });
        } catch (error) {
          if (!(error instanceof ConflictError) || tries === TRIES) throw error;
        }
      }
    });
  }

  /** Makes the change and answers with what it did; with `dryRun`, with what it would do. */
  async answer(request: FastifyRequest, reply: FastifyReply, wish: Wish): Promise<FastifyReply> {
    const { plan, revision, created } = wish.dryRun
      ? this.#plan(request, wish)
      : await this.#inTurn(() => this.#apply(request, wish));
    if (created && !wish.dryRun) reply.code(201).header("location", request.url.split("?", 1)[0]);
    return reply.header("etag", etagOf(revision)).send({
      revision,
      dryRun: wish.dryRun,
      summary: movedText(plan),
      changes: plan.changes,
      moved: plan.moved,
      ends: plan.ends,
    });
  }

  #plan(request: FastifyRequest, wish: Wish): Outcome {
    const { state, revision } = this.#balancer;
    mustStillBe(request, revision, wish.exists(state));
    const edit = wish.edit(state);
    return { plan: placing(edit, () => this.#balancer.plan(edit.state)), revision, created: edit.created };
  }

  async #apply(request: FastifyRequest, wish: Wish): Promise<Outcome> {
    for (let tries = 1; ; tries++) {
      const { state, revision } = this.#balancer;
      const asked = mustStillBe(request, revision, wish.exists(state));
      const edit = wish.edit(state);
      try {
        const applied: Applied = await this.#balancer.apply(edit.state, { ifRevision: revision });
        return { plan: applied, revision: applied.revision, created: edit.created };
      } catch (error) {
        if (!(error instanceof ConflictError)) throw placed(edit, error);
        if (asked !== undefined) throw precondition(error.revision, error.message);
        if (tries === TRIES) throw conflict(error);
      }
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= MOST_WAITING) throw busy();
    this.#waiting++;
    const turn = this.#last.then(work).finally(() => this.#waiting--);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

const ALL = new WeakMap<Balancer, Changes>();

interface Outcome {
  plan: Plan;
  revision: number;
  created: boolean;
}

function placing<T>(edit: Edit, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw placed(edit, error);
  }
}

/** Problems of the whole state, told by their place in the request's body where they are in it. */
function placed({ at }: Edit, error: unknown): unknown {
  if (!(error instanceof InvalidState)) return error;
  return invalid(
    error.problems.map((problem): FieldProblem => {
      const { path } = problem;
      const inBody = at !== null && (path === at || path.startsWith(`${at}/`));
      return inBody ? { ...asField(problem), field: path.slice(at.length) } : { ...asField(problem), field: "", state: path };
    }),
  );
}

function busy(): Refusal {
  return new Refusal({
    status: 503,
    code: "busy",
    detail: `${MOST_WAITING} changes are waiting already.`,
    fix: "Try again in a moment, or send many changes at once: PUT or PATCH /state.",
    headers: { "retry-after": "1" },
  });
}

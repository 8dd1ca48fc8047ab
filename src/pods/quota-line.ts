/** A creation that waits for room in a quota. */
export interface QuotaMember {
  /** The number of the creation, in the order of the calls. */
  readonly arrival: number;
}

/** In how many rounds each member behind the first has a turn. */
const roundsPerTurn = 10;

/**
 * Decides which of the creations that wait for room in a quota tries next. They stand in the order
 * of their arrival, and one tries at a time.
 *
 * A round is a turn of the first. Then each newcomer has one turn, because a small pod may fit where
 * the first does not. Then some of the others have a turn each, round robin: each in one of ten
 * rounds, so that none waits behind a pod that does not fit, and many cost few requests. After a
 * creation that succeeds, the first has a turn again before any other.
 */
export class QuotaLine<Member extends QuotaMember> {
  /** In the order of arrival. */
  readonly #members: Member[] = [];
  readonly #newcomers = new Set<Member>();
  #isFirstDue = false;
  /** How many turns of members behind the first are due. */
  #dueTurns = 0;
  /** The arrival of the last member that had one of these turns. */
  #lastArrival = -1;

  get length(): number {
    return this.#members.length;
  }

  /** Returns the number of members before this one. */
  before(member: Member): number {
    return this.#members.indexOf(member);
  }

  /**
   * Adds a member that is not in the line. A new one has a turn in this round, after a turn of the
   * first.
   */
  join(member: Member, { isNew }: { readonly isNew: boolean }): void {
    const next = this.#members.findLastIndex(({ arrival }) => arrival < member.arrival) + 1;
    this.#members.splice(next, 0, member);
    if (!isNew) return;
    this.#newcomers.add(member);
    this.#isFirstDue = true;
  }

  /** Removes a member, whatever the reason. Idempotent. */
  leave(member: Member): void {
    const index = this.#members.indexOf(member);
    if (index >= 0) this.#members.splice(index, 1);
    this.#newcomers.delete(member);
    if (this.#members.length > 0) return;
    this.#isFirstDue = false;
    this.#dueTurns = 0;
  }

  /** Removes a member that was created: the quota may have room for more. */
  accepted(member: Member): void {
    if (this.#members[0] !== member) this.#dueTurns += 1;
    this.#isFirstDue = true;
    this.leave(member);
  }

  startRound(): void {
    const others = Math.max(0, this.#members.length - 1);
    this.#isFirstDue = true;
    this.#dueTurns = Math.min(this.#dueTurns + others / roundsPerTurn, others);
  }

  /** Returns the member whose turn it is, or `undefined` at the end of the round. */
  next(): Member | undefined {
    const member = this.#nextMember();
    if (member !== undefined) this.#newcomers.delete(member);
    return member;
  }

  #nextMember(): Member | undefined {
    const [first, ...others] = this.#members;
    if (this.#isFirstDue) {
      this.#isFirstDue = false;
      return first;
    }
    const [newcomer] = this.#newcomers;
    if (newcomer !== undefined) return newcomer;
    if (this.#dueTurns < 1) return undefined;
    this.#dueTurns -= 1;
    const other = others.find(({ arrival }) => arrival > this.#lastArrival) ?? others[0];
    this.#lastArrival = other?.arrival ?? -1;
    return other;
  }
}

import { expect } from 'chai';

import { QuotaLine } from '../../../src/pods/quota-line.ts';

interface Member {
  readonly arrival: number;
}

describe('QuotaLine', () => {
  let line: QuotaLine<Member>;
  const members = Array.from({ length: 40 }, (_, arrival): Member => ({ arrival }));

  beforeEach(() => {
    line = new QuotaLine();
  });

  const joinRefused = (...arrivals: number[]): void => {
    for (const arrival of arrivals) line.join(members[arrival]!, { isNew: false });
  };

  /** Returns the arrivals of the members that try until the end of the round. */
  function turns(): number[] {
    const tried: number[] = [];
    for (let next = line.next(); next !== undefined; next = line.next()) tried.push(next.arrival);
    return tried;
  }

  function round(): number[] {
    line.startRound();
    return turns();
  }

  it('keeps the order of arrival, whatever the order of the refusals', () => {
    joinRefused(2, 0, 3, 1);
    expect([0, 1, 2, 3].map((arrival) => line.before(members[arrival]!))).to.deep.equal([0, 1, 2, 3]);
    expect(round()).to.deep.equal([0]);
  });

  it('gives no turn before the first round', () => {
    joinRefused(0, 1);
    expect(line.next()).to.equal(undefined);
  });

  it('gives a newcomer one turn at once, after a turn of the first', () => {
    joinRefused(0, 1);
    line.join(members[2]!, { isNew: true });
    line.join(members[3]!, { isNew: true });
    expect(turns()).to.deep.equal([0, 2, 3]);
    expect(round()).to.deep.equal([0]);
  });

  it('gives each of the others a turn in ten rounds, in order, and then again', () => {
    joinRefused(...members.map(({ arrival }) => arrival));
    const rounds = Array.from({ length: 20 }, round);
    expect(rounds.map(([first]) => first)).to.deep.equal(Array.from({ length: 20 }, () => 0));
    const others = members.slice(1).map(({ arrival }) => arrival);
    expect(rounds.flatMap(([, ...rest]) => rest)).to.deep.equal([...others, ...others]);
    for (const tried of rounds) expect(tried).to.have.lengthOf.within(4, 5);
  });

  it('continues with the next one after one of the others has left', () => {
    joinRefused(...members.slice(0, 11).map(({ arrival }) => arrival));
    expect(round()).to.deep.equal([0, 1]);
    line.leave(members[2]!);
    joinRefused(11);
    expect(round()).to.deep.equal([0, 3]);
  });

  it('gives the new first a turn at once after the first was created', () => {
    joinRefused(0, 1, 2);
    line.startRound();
    line.accepted(line.next()!);
    expect(turns()).to.deep.equal([1]);
  });

  it('gives the first and then the next of the others a turn at once after one of the others was created', () => {
    joinRefused(...members.slice(0, 11).map(({ arrival }) => arrival));
    line.startRound();
    expect(line.next()?.arrival).to.equal(0);
    line.accepted(line.next()!);
    expect(turns()).to.deep.equal([0, 2]);
  });

  it('has no turn that is due after all have left', () => {
    joinRefused(0);
    line.startRound();
    line.leave(members[0]!);
    line.leave(members[0]!);
    joinRefused(1);
    expect(line.next()).to.equal(undefined);
  });
});

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MessageRecords, none, Progress } from '../../../src/coap/messaging/message-records.ts';
import type { PeerState } from '../../../src/coap/messaging/peer-state.ts';
import { SeededRandom } from '../../support/random.ts';
import { repeat } from '../../support/scale.ts';

/** As much of a peer as records ask for. */
function owner(scatter: number): PeerState {
  return { scatter } as PeerState;
}

/** What a record has to say, as an object. */
interface Expected {
  readonly record: number;
  readonly owner: PeerState;
  readonly id: number;
  readonly confirmable: boolean;
  readonly time: number;
  progress: Progress;
  copies: number;
  reply: Uint8Array | undefined;
}

function check(records: MessageRecords, { record, confirmable, time, progress, reply }: Expected): void {
  assert.deepEqual(
    [records.isConfirmable(record), records.time(record), records.progress(record), records.reply(record), records.replyLength(record)],
    [confirmable, time, progress, reply, reply?.length ?? 0],
  );
}

describe('records of received messages', () => {
  test('whatever comes and goes, each says what objects would', async () => {
    const { steps } = await repeat('coap-message-records', { quick: 20, full: 2000 }, (seed) => {
      const random = new SeededRandom(seed);
      const below = (limit: number): number => random.below(limit);
      // Some peers and some ids have the same place.
      const owners = Array.from({ length: 1 + below(6) }, () => owner(below(3) === 0 ? 7 : below(0x1_0000_0000) | 0));
      const records = new MessageRecords();
      const held: Expected[] = [];
      const most = 1 + below(300);
      for (let step = 0; step < 1000; step++) {
        const isFull = held.length >= most;
        if (isFull || (held.length > 0 && below(5) === 0)) {
          // Waves: it is emptied from time to time, and what was large is small again.
          const count = isFull && below(4) === 0 ? held.length : 1;
          for (const { record } of held.splice(below(held.length - count + 1), count)) records.remove(record);
        } else {
          const one = {
            owner: owners[below(owners.length)]!,
            id: below(below(2) === 0 ? 8 : 0x1_0000),
            confirmable: below(2) === 0,
            time: random.fraction() * 1e9,
          };
          const record = records.add(one.owner, one.id, one.confirmable, one.time);
          held.push({ record, ...one, progress: Progress.Pending, copies: 0, reply: undefined });
        }
        const some = held[below(held.length)];
        if (some !== undefined && some.reply === undefined && below(2) === 0) {
          some.reply = Uint8Array.from({ length: below(300) }, () => below(256));
          some.progress = Progress.Answered;
          some.copies = below(3);
          records.setReply(some.record, some.reply);
          records.setProgress(some.record, some.progress, some.copies);
        } else if (some !== undefined) {
          assert.equal(records.takeCopy(some.record), some.copies > 0);
          some.copies = Math.max(0, some.copies - 1);
        }
        if (some !== undefined) {
          check(records, some);
          const newest = held.findLast((one) => one.owner === some.owner && one.id === some.id);
          assert.equal(records.find(some.owner, some.id), newest!.record);
        }
        assert.equal(records.size, held.length);
      }
      for (const one of held) check(records, one);
      for (const of of owners)
        for (let id = 0; id < 16; id++) if (!held.some((one) => one.owner === of && one.id === id)) assert.equal(records.find(of, id), none);
      return { steps: 1000 };
    });
    assert.ok(steps! > 0);
  });

  test('a message that came later in the same place has another turn, also when all was forgotten between', () => {
    const records = new MessageRecords();
    const peer = owner(1);
    const turns = new Set<number>();
    for (let wave = 0; wave < 3; wave++) {
      const all = Array.from({ length: 40 }, (_, id) => records.add(peer, id, true, 0));
      for (const record of all) turns.add(records.turn(record));
      for (const record of all) {
        records.remove(record);
        assert.ok(!turns.has(records.turn(record)));
      }
    }
    assert.equal(turns.size, 120);
    assert.ok(!turns.has(records.turn(none)));
  });

  test('a reply is given in a copy: what comes in its place later does not change it', () => {
    const records = new MessageRecords();
    const peer = owner(1);
    const first = records.add(peer, 1, true, 0);
    records.setReply(first, Uint8Array.of(1, 2, 3));
    const reply = records.reply(first);
    records.remove(first);
    const second = records.add(peer, 2, true, 0);
    records.setReply(second, Uint8Array.of(9, 9, 9));
    assert.equal(second, first);
    assert.deepEqual(reply, Uint8Array.of(1, 2, 3));
  });
});

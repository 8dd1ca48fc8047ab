import { expect } from 'chai';

import {
  containerOf,
  insert,
  leaseOf,
  ownerOf,
  type RepositoryUnderTest,
  rejection,
  volumeOf,
} from './repository-under-test.ts';

export function describeFindOrInsert(world: RepositoryUnderTest): void {
  const owner = ownerOf('4711/plan/3');
  const never = () => {
    throw new Error('make() must not be called');
  };

  describe('findOrInsert', () => {
    context('when the owner has no container', () => {
      it('inserts it and its volumes in order, all creating and held by the caller', async () => {
        const made = containerOf('c', owner, [
          volumeOf('v2', '/b'),
          volumeOf('v1', '/a'),
          { ...volumeOf('v3', '/c'), kind: 'output', name: 'out' },
        ]);
        const found = await world.first.containers.findOrInsert('worker', owner, leaseOf('me'), () => made);
        expect(found).to.include({ leased: true, generation: 1 });
        expect(found.container).to.deep.include({
          handle: 'c',
          workerName: 'worker',
          owner,
          state: 'creating',
          podName: 'pod-c',
          podUid: undefined,
        });
        expect(found.container).to.deep.include({ metadata: { type: 'task' }, settings: { dir: '/work' } });
        expect(found.volumes.map(({ handle, state, mountPath }) => [handle, state, mountPath])).to.deep.equal([
          ['v2', 'creating', '/b'],
          ['v1', 'creating', '/a'],
          ['v3', 'creating', '/c'],
        ]);
        expect(found.volumes[2]).to.deep.include({
          kind: 'output',
          name: 'out',
          containerHandle: 'c',
          store: 'pod',
          location: { path: '/c' },
        });
        expect(found.volumes[0]).to.deep.include({
          name: undefined,
          teamId: undefined,
          readyAt: undefined,
          digest: undefined,
          expiresAt: undefined,
        });
      });

      it('waits for make(), and inserts nothing if it rejects', async () => {
        const { containers } = world.first;
        const refusing = containers.findOrInsert('worker', owner, leaseOf('me'), () => Promise.reject(new Error('no')));
        expect((await rejection(refusing)).message).to.equal('no');
        const slow = containers.findOrInsert('worker', owner, leaseOf('me'), async () => {
          // Another caller inserts the owner's container meanwhile.
          await containers.findOrInsert('worker', owner, leaseOf('other'), () => containerOf('c-1', owner));
          return containerOf('c-2', owner);
        });
        expect(await slow)
          .to.deep.include({ leased: false })
          .and.have.nested.property('container.handle', 'c-1');
      });

      it('uses the database’s clock', async () => {
        const { container } = await world.first.containers.findOrInsert('worker', owner, leaseOf('me'), () =>
          containerOf('c', owner),
        );
        const [row] = await world.query(
          `select (extract(epoch from created_at) * 1000)::bigint::text as at from ${world.table('containers')}`,
        );
        expect(Math.abs(container.createdAt.getTime() - Number(row!['at']))).to.be.at.most(1);
      });

      it('inserts nothing if a volume cannot be stored', async () => {
        const made = containerOf('c', owner, [volumeOf('v1', '/same'), volumeOf('v2', '/same')]);
        const error = await rejection(world.first.containers.findOrInsert('worker', owner, leaseOf('me'), () => made));
        expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'mountPath of a volume' });
        expect([await world.count('containers'), await world.count('volumes')]).to.deep.equal([0, 0]);
      });

      it('rejects a handle of another owner', async () => {
        await insert(world.first, 'taken');
        const error = await rejection(
          world.first.containers.findOrInsert('worker', owner, leaseOf('me'), () => containerOf('taken', owner)),
        );
        expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'handle' });
      });

      it('rejects a worker that is not registered', async () => {
        const made = { ...containerOf('c', owner), workerName: 'nobody' };
        const error = await rejection(world.first.containers.findOrInsert('nobody', owner, leaseOf('me'), () => made));
        expect(error).to.include({ code: 'KW_ERR_WORKER_NOT_RUNNING', workerName: 'nobody', state: 'retired' });
      });
    });

    context('when the owner has a container that is creating', () => {
      const find = async (holder: string) =>
        await world.second.containers.findOrInsert('worker', owner, leaseOf(holder), never);

      it('returns it to other holders without the lease', async () => {
        const first = await world.first.containers.findOrInsert('worker', owner, leaseOf('me'), () =>
          containerOf('c', owner, [volumeOf('v', '/a')]),
        );
        const second = await find('other');
        expect(second).to.deep.equal({ ...first, leased: false });
      });

      it('keeps the lease of its holder, which may call again', async () => {
        await world.first.containers.findOrInsert('worker', owner, leaseOf('me'), () => containerOf('c', owner));
        expect((await find('me')).leased).to.equal(true);
      });

      it('passes a lapsed lease to the caller [A13]', async () => {
        await world.first.containers.findOrInsert('worker', owner, leaseOf('me'), () =>
          containerOf('c', owner, [volumeOf('v', '/a')]),
        );
        await world.lapseLeases();
        const found = await find('other');
        expect(found).to.include({ leased: true, generation: 2 });
        expect(found.volumes.map(({ handle }) => handle)).to.deep.equal(['v']);
        expect(await world.first.containers.renewLease('c', leaseOf('me'))).to.equal(false);
        expect(await world.first.containers.renewLease('c', leaseOf('other'))).to.equal(true);
      });

      it('does not pass a lease that was renewed after it had lapsed', async () => {
        await world.first.containers.findOrInsert('worker', owner, leaseOf('me'), () => containerOf('c', owner));
        await world.lapseLeases();
        expect(await world.first.containers.renewLease('c', leaseOf('me'))).to.equal(true);
        expect((await find('other')).leased).to.equal(false);
      });
    });

    context('when the owner has a container of a specification', () => {
      const digest = (letter: string) => letter.repeat(64);
      const find = async (specDigest?: string) =>
        await world.second.containers.findOrInsert('worker', owner, leaseOf('other'), never, { specDigest });
      beforeEach(async () => {
        const made = { ...containerOf('c', owner), specDigest: digest('a') };
        await world.first.containers.findOrInsert('worker', owner, leaseOf('me'), () => made);
        await world.lapseLeases();
      });

      it('leaves a container of another specification, also with a lapsed lease, as it is', async () => {
        const found = await find(digest('b'));
        expect(found).to.include({ leased: false, generation: 1 });
        expect(found.container).to.include({ handle: 'c', specDigest: digest('a') });
        expect(await world.first.containers.renewLease('c', leaseOf('me'))).to.equal(true);
      });

      it('takes over a container of the same specification', async () => {
        expect(await find(digest('a'))).to.include({ leased: true, generation: 2 });
      });

      it('takes over a container of any specification for a caller without one', async () => {
        expect(await find()).to.include({ leased: true, generation: 2 });
      });

      it('takes over a container whose row has none', async () => {
        await world.query(`update ${world.table('containers')} set spec_digest = null`);
        const found = await find(digest('b'));
        expect(found).to.include({ leased: true, generation: 2 });
        expect(found.container.specDigest).to.equal(undefined);
      });
    });

    context('when the owner has a container that is created', () => {
      it('returns it, and no lease holds it', async () => {
        await insert(world.first, 'c');
        await world.first.containers.markCreated('c', 'holder');
        const found = await world.second.containers.findOrInsert('worker', ownerOf('c'), leaseOf('holder'), never);
        expect(found.container.state).to.equal('created');
        expect(found.leased).to.equal(false);
        expect(found.volumes).to.have.length(2);
      });
    });

    for (const end of ['failed', 'destroying'] as const) {
      context(`when the owner’s only container is ${end}`, () => {
        it('inserts another one, and finds that one afterwards', async () => {
          await insert(world.first, 'old');
          if (end === 'failed') await world.first.containers.markFailed('old', 'holder');
          else await world.first.containers.markOwnerFinished('worker', ownerOf('old'));
          const made = containerOf('new', ownerOf('old'));
          const inserted = await world.first.containers.findOrInsert(
            'worker',
            ownerOf('old'),
            leaseOf('me'),
            () => made,
          );
          const found = await world.second.containers.findOrInsert('worker', ownerOf('old'), leaseOf('other'), never);
          expect([inserted.container.handle, found.container.handle]).to.deep.equal(['new', 'new']);
          expect((await world.first.containers.lookup('worker', 'old'))?.state).to.equal(end);
        });
      });
    }

    it('distinguishes owners with the same key by their kind and their worker', async () => {
      await world.first.workers.register('elsewhere');
      const step = { kind: 'build-step', key: 'k' };
      const check = { kind: 'check', key: 'k' };
      await world.first.containers.findOrInsert('worker', step, leaseOf('me'), () => containerOf('a', step));
      await world.first.containers.findOrInsert('worker', check, leaseOf('me'), () => containerOf('b', check));
      await world.first.containers.findOrInsert('elsewhere', step, leaseOf('me'), () => ({
        ...containerOf('c', step),
        workerName: 'elsewhere',
      }));
      expect(await world.count('containers')).to.equal(3);
      expect(await world.first.containers.markOwnerFinished('worker', step)).to.equal(1);
      expect((await world.first.containers.lookup('elsewhere', 'c'))?.state).to.equal('creating');
    });

    for (const [what, key] of [
      ['quotes and backslashes', `it's "quoted" \\ and \`ticked\`; drop schema public --`],
      ['characters of all planes', 'schöne Grüße 数据 🚀 \u{10FFFF} e\u0301'],
      ['control characters', 'tab\tnewline\nescape\u001b'],
      [
        '1,024 characters of four bytes each',
        Array.from({ length: 1_024 }, (_, index) => String.fromCodePoint(0x1f300 + ((index * 7_919) % 500))).join(''),
      ],
    ] as const) {
      it(`stores an owner's key of ${what}`, async () => {
        const odd = ownerOf(key);
        const made = {
          ...containerOf('c', odd),
          settings: { key, nested: { [key]: [key, null, 1.5, true] } },
          metadata: { stepName: key },
        };
        await world.first.containers.findOrInsert('worker', odd, leaseOf('me'), () => made);
        const { container } = await world.second.containers.findOrInsert('worker', odd, leaseOf('other'), never);
        expect(container.owner).to.deep.equal(odd);
        expect(container.settings).to.deep.equal(made.settings);
        expect(container.metadata).to.deep.equal(made.metadata);
      });
    }

    it('rejects keys and kinds that are empty, too long, or that a database cannot store', async () => {
      const find = async (kind: string, key: string) =>
        await rejection(world.first.containers.findOrInsert('worker', { kind, key }, leaseOf('me'), never));
      expect(await find('', 'k')).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'owner.kind' });
      expect(await find('k'.repeat(64), 'k')).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'owner.kind' });
      expect(await find('k', '')).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'owner.key' });
      expect(await find('k', 'k'.repeat(1_025))).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'owner.key' });
      expect(await find('k', 'nul\0')).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'owner.key' });
      expect(await find('k', 'half \ud800')).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'owner.key' });
    });

    it('rejects settings with a text that a database cannot store', async () => {
      const made = { ...containerOf('c', owner), settings: { env: ['A=\0'] } };
      const error = await rejection(world.first.containers.findOrInsert('worker', owner, leaseOf('me'), () => made));
      expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field: 'settings' });
    });
  });
}

// The codec: what goes in comes out, and what does not fit is refused with its path.
import { expect } from 'chai';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { codecOf } from '@leafward/shared/rpc/codec.js';
import {
  MoveSchema,
  RequestSchema,
  WaitSchema,
} from '@leafward/shared/gen/leafward/v1/fleet_pb.js';
import type { Move, Request, Wait } from '@leafward/shared/gen/domain.js';

const throughTheWire = (desc: Parameters<typeof codecOf>[0], data: object): object => {
  const codec = codecOf(desc);
  return codec.toData(fromBinary(desc, toBinary(desc, codec.toMessage(data))));
};

describe('the codec', () => {
  it('carries a tagged union with its common fields, a nested message, a map and an enum', () => {
    const move: Move = {
      kind: 'place',
      id: 'm1',
      service: 'cortex',
      cause: 'new in the manifest',
      host: 'alpha',
      intent: {
        member: '00.cortex',
        service: 'cortex',
        run: 'running',
        role: 'leader',
        term: 1,
        mirrored: true,
        boot: 'wait',
        isolation: { onIsolation: 'keep', leaseMs: 5000 },
        spec: {
          kind: 'synapse',
          runtime: 'docker',
          image: { reference: 'a:v1', digest: 'sha256:00' },
          command: [],
          environment: { A: 'b' },
          mounts: [{ source: '/a', target: '/b', readOnly: true }],
          storage: '/srv/a',
          storageTarget: '/vertex/storage',
          networkMode: 'host',
          limits: {},
          ports: { telepath: 27492 },
          stopGraceMs: 2 ** 40,
          engineOptions: {},
        },
      },
    };
    expect(throughTheWire(MoveSchema, move)).to.deep.equal(move);
  });

  it('leaves out what is undefined and keeps zero and empty', () => {
    const request: Request = {
      kind: 'probe-history',
      id: 'r',
      epoch: 0,
      expiresAt: 0,
      member: '',
      term: 0,
      offset: 0,
    };
    expect(throughTheWire(RequestSchema, request)).to.deep.equal(request);
    const wait: Wait = {
      code: 'c',
      subject: 's',
      message: 'm',
      since: 1,
      deadlineAt: undefined,
      unblock: 'u',
      evidence: [],
    };
    expect(throughTheWire(WaitSchema, wait)).to.not.have.property('deadlineAt');
  });

  it('refuses an unknown key, a missing one and a fraction, each with its path', () => {
    const encode = (data: object) => () => codecOf(WaitSchema).toMessage(data);
    const wait = { code: 'c', subject: 's', message: 'm', since: 1, unblock: 'u', evidence: [] };
    expect(encode({ ...wait, other: 1 })).to.throw('Wait: unknown key other');
    expect(encode({ ...wait, since: undefined })).to.throw('Wait.since is missing');
    expect(encode({ ...wait, since: 1.5 })).to.throw('Wait.since must be a whole number');
  });

  it('tells the peer what its message lacks', () => {
    expect(() => codecOf(MoveSchema).toData(create(MoveSchema, { id: 'm1' }))).to.throw(
      'Move says no kind',
    );
    expect(() => codecOf(RequestSchema).toData(create(RequestSchema))).to.throw('[invalid]');
  });
});

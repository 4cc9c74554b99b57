// The Docker runtime's pure parts; what needs an Engine is in test/docker.
import { expect } from 'chai';
import fc from 'fast-check';
import type { MemberSpec } from '@leafward/shared/gen/domain.js';
import { containerConfig } from '@leafward/agent/runtimes/docker/container-config.js';
import { engineError, streamError } from '@leafward/agent/runtimes/docker/engine-error.js';
import { collectLogLines } from '@leafward/agent/runtimes/docker/engine-logs.js';
import { parseImageReference, versionOf } from '@leafward/agent/runtimes/docker/image-reference.js';
import { followPull } from '@leafward/agent/runtimes/docker/pull-progress.js';

const digest = `sha256:${'a'.repeat(64)}`;
const spec: MemberSpec = {
  kind: 'synapse',
  runtime: 'docker',
  image: { reference: 'synapse/cortex:v2.113.0', digest },
  command: [],
  environment: {},
  mounts: [],
  storage: '/srv/syn/00.cortex',
  storageTarget: '/vertex/storage',
  networkMode: 'host',
  limits: {},
  ports: { telepath: 27492 },
  stopGraceMs: 120_000,
  engineOptions: {},
};
const configOf = (change: Partial<MemberSpec>): Record<string, Record<string, unknown>> =>
  containerConfig(
    { member: '00.cortex', service: 'cortex', spec: { ...spec, ...change }, specDigest: 'd' },
    'synapse/cortex',
  ) as Record<string, Record<string, unknown>>;

describe('an image reference', () => {
  it('is split at the tag, not at the registry’s port', () => {
    expect(parseImageReference('registry:5000/synapse/cortex:v2.1.0')).to.deep.equal({
      name: 'registry:5000/synapse/cortex',
      tag: 'v2.1.0',
      digest: undefined,
    });
    expect(parseImageReference('registry:5000/cortex')?.tag).to.equal(undefined);
    expect(parseImageReference(`cortex:v1@${digest}`)).to.deep.equal({
      name: 'cortex',
      tag: 'v1',
      digest,
    });
    expect(parseImageReference(digest)).to.deep.equal({ name: '', digest });
  });

  it('is refused when it would mean something else in a path', () => {
    for (const text of ['', 'a b', 'x?y', 'a/../x', 'x@sha256:12', 'x:', '-x', 'x:a?b'])
      expect(parseImageReference(text), text).to.equal(undefined);
  });

  it('has a version only when its tag is a whole one', () => {
    expect(versionOf('v2.113.0')).to.equal('2.113.0');
    expect(versionOf('2.180.1-rc.1')).to.equal('2.180.1-rc.1');
    for (const text of ['v2.x.x', 'latest', '22.04', undefined])
      expect(versionOf(text)).to.equal(undefined);
  });
});

describe('a container as the Engine is asked for it', () => {
  it('never restarts by itself and binds no source that is not there (I2)', () => {
    const host = configOf({}).HostConfig ?? {};
    expect(host.RestartPolicy).to.deep.equal({ Name: 'no', MaximumRetryCount: 0 });
    expect(host).not.to.have.property('Binds');
    expect(host.Mounts).to.deep.equal([
      { Type: 'bind', Source: spec.storage, Target: '/vertex/storage', ReadOnly: false },
    ]);
  });

  it('publishes its ports only on a network that is not the host’s', () => {
    expect(configOf({}).HostConfig).not.to.have.property('PortBindings');
    expect(configOf({ networkMode: 'bridge' }).HostConfig?.PortBindings).to.deep.equal({
      '27492/tcp': [{ HostPort: '27492' }],
    });
  });

  it('publishes on one address and under another number when it is told so', () => {
    const engineOptions = { publishAddress: '127.0.0.1', containerPorts: 'telepath=9000' };
    const config = configOf({ networkMode: 'bridge', engineOptions });
    expect(config.HostConfig?.PortBindings).to.deep.equal({
      '9000/tcp': [{ HostPort: '27492', HostIp: '127.0.0.1' }],
    });
    expect(config.ExposedPorts).to.deep.equal({ '9000/tcp': {} });
  });
});

describe('an Engine’s error', () => {
  const codeOf = (text: string): string => streamError('pull image x', text).code;

  it('becomes one of ours', () => {
    expect(codeOf('write /x: no space left on device')).to.equal('exhausted');
    expect(codeOf('manifest unknown: manifest unknown')).to.equal('not-found');
    expect(codeOf('Get "https://r/v2/": dial tcp: i/o timeout')).to.equal('unavailable');
    expect(codeOf('pull access denied, unauthorized')).to.equal('denied');
    expect(codeOf('something new')).to.equal('failed');
  });

  it('says what to do about a socket that nobody answers', () => {
    const error = engineError(
      'list containers',
      '/s',
      Object.assign(new Error(), { code: 'EACCES' }),
    );
    expect(error.code).to.equal('unavailable');
    expect(error.text).to.include('/s').and.to.include('EACCES').and.to.include('group docker');
  });

  it('keeps no password of a URL and no control characters (I14)', () => {
    const { text } = streamError('pull', 'Get https://me:hunter2@registry/v2/\u001b[31m\nx');
    expect(text).not.to.include('hunter2');
    expect(text).not.to.match(/[\u0000-\u001f]/);
  });
});

describe('a pull’s progress', () => {
  const line = (event: object): Buffer => Buffer.from(`${JSON.stringify(event)}\r\n`);

  it('is counted by layers and bytes, and knows when only this host is at work', () => {
    const progress = followPull();
    progress.take(line({ status: 'Pulling from x', id: 'v1' }));
    expect(progress.text()).to.equal('');
    const id = 'aaaaaaaaaaaa';
    progress.take(line({ status: 'Already exists', id: 'bbbbbbbbbbbb' }));
    const progressDetail = { current: 20e6, total: 80e6 };
    progress.take(line({ status: 'Downloading', id, progressDetail }));
    expect(progress.text()).to.equal('1 of 2 layers, 20 of 80 MB');
    expect(progress.isUnpacking()).to.equal(false);
    progress.take(line({ status: 'Extracting', id, progressDetail: { current: 1, total: 99 } }));
    expect(progress.text()).to.equal('1 of 2 layers, 80 of 80 MB');
    expect(progress.isUnpacking()).to.equal(true);
  });

  it('finds the error however the stream is cut, and survives anything', () => {
    const bytes = Buffer.concat([line({ status: 'x' }), line({ error: 'no space', status: 'y' })]);
    for (let at = 0; at <= bytes.length; at += 1) {
      const progress = followPull();
      const parts = [bytes.subarray(0, at), bytes.subarray(at)];
      expect(parts.map((part) => progress.take(part)).find((text) => text)).to.equal('no space');
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        followPull().take(Buffer.from(noise));
      }),
    );
  });
});

describe('log lines', () => {
  const frame = (stream: number, text: string): Buffer => {
    const head = Buffer.alloc(8);
    head.writeUInt8(stream, 0);
    head.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([head, Buffer.from(text)]);
  };

  it('are the same however the stream is cut', () => {
    const bytes = Buffer.concat([
      frame(1, 'out a\nou'),
      frame(2, 'err ü\n'),
      frame(1, 't b\n'),
      frame(2, ''),
      frame(1, 'unfinished'),
    ]);
    const whole = ['out a', 'err ü', 'out b', 'unfinished'];
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 6 }), (cuts) => {
        const log = collectLogLines(10);
        const ends = [...cuts, bytes.length].sort((a, b) => a - b);
        let from = 0;
        for (const end of ends) {
          log.take(bytes.subarray(from, end));
          from = end;
        }
        expect(log.lines()).to.deep.equal(whole);
      }),
    );
  });

  it('are at most as many as asked for, the newest', () => {
    const log = collectLogLines(2);
    log.take(frame(1, 'a\nb\nc\n'));
    expect(log.lines()).to.deep.equal(['b', 'c']);
  });
});

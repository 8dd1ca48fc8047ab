import { expect } from 'chai';
import fc from 'fast-check';

import {
  handleOf,
  hermeticLabels,
  isOfHandle,
  labelValue,
  podMarks,
  workerSelector,
} from '../../../src/kubernetes/pod-spec/labels.ts';

const allowed = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;

describe('labels', () => {
  it('have valid values for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 100 }), (text) => {
        expect(labelValue(text)).to.match(allowed);
      }),
    );
  });

  it('keep a valid value unchanged', () => {
    for (const text of ['main', 'my-pipeline', 'a.b_c', 'x'.repeat(63)]) expect(labelValue(text)).to.equal(text);
  });

  it('differ for different texts', () => {
    const texts = [
      'a b',
      'a-b',
      'a/b',
      'a  b',
      '-a-b',
      'a-b-',
      'ä',
      'ö',
      'x'.repeat(64),
      'x'.repeat(65),
      'A b',
      '',
      ' ',
    ];
    expect(new Set(texts.map((text) => labelValue(text))).size).to.equal(texts.length);
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const value = labelValue(text);
        // The value is also a possible text. Its label must differ from that of the original text.
        if (value !== text) expect(labelValue(value)).to.not.equal(value);
      }),
    );
  });

  it('mark hermetic pods, and no others', () => {
    const facts = { installationId: 'i', workerName: 'w', handle: 'h' };
    expect(podMarks({ ...facts, hermetic: true }).labels).to.include(hermeticLabels());
    for (const hermetic of [false, undefined])
      expect(podMarks({ ...facts, hermetic }).labels).not.to.have.any.keys(hermeticLabels());
  });

  it('have an annotation of the requested images that the pod replaces', () => {
    const facts = { installationId: 'i', workerName: 'w', handle: 'h' };
    const { annotations } = podMarks({ ...facts, requestedImages: { main: 'docker:///busybox', db: 'db' } });
    expect(annotations).to.deep.equal({
      'kubernetes-worker/requested-images': '{"main":"docker:///busybox","db":"db"}',
    });
    expect(podMarks({ ...facts, requestedImages: {} }).annotations).to.deep.equal({});
  });

  it('contain the worker, the installation, the handle and the metadata', () => {
    const metadata = { pipelineName: 'p', jobName: 'j', buildName: '12', stepName: 's', team: 't', type: 'get' };
    const { labels, annotations } = podMarks({ installationId: 'i', workerName: 'w', handle: 'h', metadata });
    expect(labels).to.deep.equal({
      'app.kubernetes.io/managed-by': 'kubernetes-worker',
      'kubernetes-worker/worker': 'w',
      'kubernetes-worker/installation': 'i',
      'kubernetes-worker/handle': 'h',
      'kubernetes-worker/type': 'get',
      'kubernetes-worker/pipeline': 'p',
      'kubernetes-worker/job': 'j',
      'kubernetes-worker/build': '12',
      'kubernetes-worker/step': 's',
      'kubernetes-worker/team': 't',
    });
    expect(annotations).to.deep.equal({});
  });

  it('omit missing values, and default to the type task', () => {
    const { labels } = podMarks({ installationId: 'i', workerName: 'w', handle: 'h' });
    expect(labels).to.include({ 'kubernetes-worker/type': 'task' });
    expect(labels).to.not.have.any.keys('kubernetes-worker/pipeline', 'kubernetes-worker/job');
  });

  it('keep the original of a changed value in an annotation', () => {
    const marks = podMarks({
      installationId: 'i',
      workerName: 'w',
      handle: 'h',
      metadata: { jobName: 'unit tests / linux' },
    });
    expect(marks.labels['kubernetes-worker/job']).to.match(/^unit-tests-linux\.h[0-9a-f]{10}$/);
    expect(marks.annotations).to.deep.equal({ 'kubernetes-worker/job': 'unit tests / linux' });
    expect(handleOf(marks)).to.equal('h');
    expect(handleOf(podMarks({ installationId: 'i', workerName: 'w', handle: 'a b' }))).to.equal('a b');
    expect(handleOf({ labels: {} })).to.equal(undefined);
    expect(handleOf(undefined)).to.equal(undefined);
  });

  it('show whose pod it is; without the label a generated name does', () => {
    const marks = podMarks({ installationId: 'i', workerName: 'w', handle: 'h' });
    expect(isOfHandle({ name: 'chosen', ...marks }, 'h')).to.equal(true);
    expect(isOfHandle({ name: 'other', ...marks }, 'other')).to.equal(false);
    expect(isOfHandle({ name: 'h' }, 'h')).to.equal(true);
    expect(isOfHandle({ name: 'chosen', labels: {} }, 'h')).to.equal(false);
    expect(isOfHandle(undefined, 'h')).to.equal(false);
  });

  it('have the prefix of the worker if they only describe the pod', () => {
    const facts = { installationId: 'i', workerName: 'w', handle: 'h', hermetic: true };
    const requestedImages = { main: 'docker:///busybox' };
    const metadata = { type: 'get', team: 'a b', jobName: 'unit' };
    const { labels, annotations } = podMarks({ ...facts, metadata, requestedImages }, 'ci.example');
    expect(labels).to.have.all.keys(
      'app.kubernetes.io/managed-by',
      'kubernetes-worker/installation',
      'kubernetes-worker/worker',
      'kubernetes-worker/handle',
      'kubernetes-worker/hermetic',
      'ci.example/type',
      'ci.example/job',
      'ci.example/team',
    );
    expect(annotations).to.have.all.keys('ci.example/team', 'ci.example/requested-images');
    for (const key of ['installation', 'worker', 'handle', 'hermetic'])
      expect(labels[`kubernetes-worker/${key}`]).to.equal(podMarks(facts).labels[`kubernetes-worker/${key}`]);
  });

  it('select the pods of one worker of one installation', () => {
    const { labels } = podMarks({ installationId: 'a b', workerName: 'w#1', handle: 'h' });
    const terms = workerSelector('a b', 'w#1')
      .split(',')
      .map((term) => term.split('='));
    for (const [key = '', value] of terms) expect(labels[key]).to.equal(value);
    expect(workerSelector('a b', 'w#2')).to.not.equal(workerSelector('a b', 'w#1'));
  });
});

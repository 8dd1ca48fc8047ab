import { expect } from 'chai';

import { runDemo } from '../../support/demo.ts';

describe('the demo', function () {
  this.timeout(120_000);

  it('runs the pipeline on the embedded cluster, prints plain lines, and leaves nothing', async () => {
    const { status, stdout, stderr } = await runDemo([]);
    expect(status, `${stdout}\n${stderr}`).to.equal(0);
    expect(stdout).to.not.match(/NOT OK|\x1b|\r/);
    expect(stdout).to.match(/ok +0 pods are left\n +ok +0 rows are left\n\ndone/);
    expect(stdout.match(/^ {2}ok /gm)).to.have.length(9);
  });

  it('releases everything and exits with 1 when it is interrupted', async () => {
    let interrupted = false;
    const { status, stdout, stderr } = await runDemo([], (text, kill) => {
      if (!interrupted && text.includes('\ntask ')) kill('SIGINT');
      interrupted ||= text.includes('\ntask ');
    });
    expect(status).to.equal(1);
    expect(stderr).to.equal('interrupted by SIGINT\n');
    expect(stdout).to.match(/ok +0 pods are left\n +ok +0 rows are left\n$/);
  });

  it('reports an invalid command line, kubeconfig or database', async () => {
    const wrong = await runDemo(['--no-such-option']);
    expect([wrong.status, wrong.stderr]).to.satisfy(
      ([status, stderr]: [number, string]) =>
        status === 2 && stderr.includes("'--no-such-option'") && stderr.includes('Usage: '),
    );
    const noUrl = await runDemo(['--database', 'user:secret@db']);
    expect(noUrl.status).to.equal(2);
    expect(noUrl.stderr)
      .to.match(/^--database is not a URL of the form postgres:\/\//)
      .and.to.not.include('secret');
    const noFile = await runDemo(['--kubeconfig', '/no/such/file']);
    expect([noFile.status, noFile.stderr]).to.satisfy(
      ([status, stderr]: [number, string]) => status === 1 && stderr.includes('/no/such/file'),
    );
    const noDatabase = await runDemo(['--database', 'postgres://user:secret@127.0.0.1:1/none']);
    expect(noDatabase.status).to.equal(1);
    expect(noDatabase.stderr)
      .to.match(/^database unavailable: /)
      .and.to.not.include('secret');
  });
});

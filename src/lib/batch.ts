/**
 * Asks for many things at once: questions that come while others are under way are collected and go out together with
 * the next call. A question never waits for more than the calls that were under way when it came, so an answer is
 * never older than its question.
 * @param answer takes questions and gives as many answers in their order; when it rejects, all of its questions do
 */
export function createBatcher<Question, Answer>(
  answer: (questions: Question[]) => Promise<Answer[]>,
  { calls, questions: most }: { calls: number; questions: number },
): (question: Question) => Promise<Answer> {
  interface Waiting {
    readonly question: Question;
    readonly resolve: (answer: Answer) => void;
    readonly reject: (reason: unknown) => void;
  }
  const queue: Waiting[] = [];
  let underWay = 0;
  let scheduled = false;

  async function call(batch: Waiting[]): Promise<void> {
    try {
      const answers = await answer(batch.map((waiting) => waiting.question));
      batch.forEach((waiting, at) => waiting.resolve(answers[at] as Answer));
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
    } finally {
      underWay--;
      flush();
    }
  }

  function flush(): void {
    scheduled = false;
    while (queue.length > 0 && underWay < calls) {
      const batch = queue.splice(0, most);
      underWay++;
      call(batch);
    }
  }

  return (question) =>
    new Promise<Answer>((resolve, reject) => {
      queue.push({ question, resolve, reject });
      // The rest of this turn may have more to ask.
      if (!scheduled && underWay < calls) {
        scheduled = true;
        queueMicrotask(flush);
      }
    });
}

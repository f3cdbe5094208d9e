/* What Sphinx's search asks of a book: how it splits a query, as searching.py splits the pages, and which result stands
   first. Sphinx puts this file into language_data.js. */
var splitQuery = (() => {
  const LETTERS = ("alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma sigma tau "
    + "upsilon phi chi psi omega").split(" ");
  const NUMBERED = /\b(theorem|lemma|corollary|proposition|assumption|principle|table|fig|sec)(?:s|ure|tion)?\.?\s+(s?\d+[a-z]?)\b/g;

  return (query) => query.toLowerCase()
    .replace(/[\u03b1-\u03c9]/g, (letter) => ` ${LETTERS[letter.codePointAt(0) - 0x3b1]} `)
    .replace(NUMBERED, "$1$2")
    .split(/[^\p{Letter}\p{Number}_]+/gu)
    .filter((word) => word.length > 1);
})();

var Scorer = {
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 0, 1: 0, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,

  /* A main entry of the index, which has about 100, stands before all; then a title that has the query in it, and pages
     that explain before those that list. */
  score: ([page, title, , , score]) => {
    const asked = (new URLSearchParams(location.search).get("q") ?? "").trim().toLowerCase();
    const named = asked.length > 1 && title.toLowerCase().includes(asked) ? 20 : 0;
    if (/(^|\/)\d\d[a-z]?_/.test(page)) return score + named + 3;
    if (/(^|\/)api(_|$)/.test(page)) return score - 10;
    return score + named;
  },
};

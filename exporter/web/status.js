"use strict";
(() => {
  const SECONDS = 30;

  const matching = (parent, next, from) => {
    if (next.id) return [...parent.children].find((child) => child.id === next.id);
    return from && from.nodeName === next.nodeName && !from.id ? from : null;
  };

  const updateAttributes = (node, next) => {
    for (const { name } of [...node.attributes]) {
      if (!next.hasAttribute(name) && name !== "open") node.removeAttribute(name);
    }
    for (const { name, value } of [...next.attributes]) {
      if (node.getAttribute(name) !== value && name !== "open") node.setAttribute(name, value);
    }
  };

  // Changes only what differs, so that open details, focus, selection and scroll positions stay.
  const update = (node, next) => {
    if (node.isEqualNode(next)) return;
    if (node.nodeType !== Node.ELEMENT_NODE) {
      node.nodeValue = next.nodeValue;
      return;
    }
    updateAttributes(node, next);
    let position = node.firstChild;
    for (const child of [...next.childNodes]) {
      const match = matching(node, child, position);
      if (!match) {
        node.insertBefore(child, position);
      } else {
        if (match === position) position = position.nextSibling;
        else node.insertBefore(match, position);
        update(match, child);
      }
    }
    while (position) {
      const rest = position.nextSibling;
      position.remove();
      position = rest;
    }
  };

  const refresh = async () => {
    const warning = document.getElementById("refresh");
    try {
      const response = await fetch(location.pathname + location.search, { cache: "no-store" });
      if (!response.ok) throw new Error(`the exporter answers with status ${response.status}`);
      const next = new DOMParser().parseFromString(await response.text(), "text/html");
      if (!next.getElementById("status")) throw new Error("the answer is not this page");
      for (const id of ["as-of", "status"]) update(document.getElementById(id), next.getElementById(id));
      document.title = next.title;
      warning.textContent = "";
    } catch (error) {
      const reason = error instanceof TypeError ? "the exporter does not answer" : error.message;
      warning.textContent = `These figures are out of date: ${reason}. Trying again every ${SECONDS} s.`;
    }
  };

  let refreshed = Date.now();
  const refreshIfDue = async () => {
    if (document.hidden || Date.now() - refreshed < SECONDS * 1000) return;
    refreshed = Date.now();
    await refresh();
  };
  setInterval(refreshIfDue, 1000);
  document.addEventListener("visibilitychange", refreshIfDue);
})();

// Follows an order. The browser reconnects by itself if the shop restarts.
const events = new EventSource(`${location.pathname}/events`);
let last;
events.onmessage = ({ data }) => {
  // A screen reader would read the same text again.
  if (data === last) return;
  last = data;
  const { text, address, canChange, isFinal } = JSON.parse(data);
  document.querySelector("#status").textContent = text;
  if (address) document.querySelector("#address").textContent = address;
  for (const button of document.querySelectorAll("button")) {
    button.disabled = !canChange;
  }
  if (isFinal) events.close();
};

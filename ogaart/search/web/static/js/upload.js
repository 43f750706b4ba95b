// A picture: chosen, dropped or pasted, it goes through the form.
const form = document.querySelector("[data-search]");
const file = form?.querySelector("[data-file]");
const send = form?.querySelector("[data-send-picture]");

function submitPicture() {
  form.classList.add("busy");
  form.requestSubmit(send);
}
function take(picked) {
  const transfer = new DataTransfer();
  transfer.items.add(picked);
  file.files = transfer.files;
  submitPicture();
}

function listen() {
  file.addEventListener("change", () => file.files.length && submitPicture());
  form.addEventListener("submit", (event) => {
    form.classList.add("busy");
    // Empty fields and defaults stay out of the address.
    if (event.submitter === send) return;
    for (const input of form.elements) {
      if (input.name && !input.value && input.type !== "file") input.disabled = true;
    }
    file.disabled = true;
  });
  addEventListener("pageshow", () => {
    form.classList.remove("busy");
    for (const input of form.elements) input.disabled = false;
    if (file.value) file.value = "";
  });

  let depth = 0;
  const carries = (event) => [...(event.dataTransfer?.types || [])].some((type) => type === "Files" || type === "text/uri-list");
  document.addEventListener("dragenter", (event) => {
    if (carries(event) && ++depth) document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (carries(event) && --depth <= 0) document.body.classList.remove("dropping");
  });
  document.addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    depth = 0;
    document.body.classList.remove("dropping");
    if (!carries(event)) return;
    event.preventDefault();
    const picture = [...event.dataTransfer.files].find((one) => one.type.startsWith("image/") || one.size);
    if (picture) return take(picture);
    const url = event.dataTransfer.getData("text/uri-list").split("\n").find((line) => /^https?:/.test(line));
    if (url) {
      form.querySelector("[name=q]").value = url;
      form.requestSubmit();
    }
  });
  document.addEventListener("paste", (event) => {
    const picture = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
    if (picture) {
      event.preventDefault();
      take(picture);
    }
  });
}

if (form) listen();

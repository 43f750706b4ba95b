// The bookmark that searches for the largest picture of whatever page is open. It runs there, never here.
const link = document.querySelector("[data-bookmarklet]");
const code = `(()=>{const a=i=>i.naturalWidth*i.naturalHeight,i=[...document.images].sort((x,y)=>a(y)-a(x))[0];if(i)open(${JSON.stringify(
  `${location.origin}/search?url=`,
)}+encodeURIComponent(i.currentSrc||i.src))})()`;
if (link) {
  link.href = `javascript:${encodeURIComponent(code)}`;
  link.addEventListener("click", (event) => event.preventDefault());
}

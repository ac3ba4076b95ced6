// The clinic's name is the page's, as soon as it is known.
const name_it = () => {
  const title = element.querySelector("h1");
  if (title) document.title = title.textContent;
};
watch("value", name_it);
name_it();

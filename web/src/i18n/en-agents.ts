/** What is said of models, knowledge and agents, in English. */
export const enAgents = {
};

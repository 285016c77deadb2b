/** What is said of models, knowledge and agents, in Chinese. */
export const zhAgents = {
};
